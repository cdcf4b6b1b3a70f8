import { createServer } from "node:net";
import { createLayout, type Layout, type Ports } from "./layout.ts";

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });

/** Fails with one message that names every taken port and the part that wanted it. */
export const assertPortsFree = async (ports: Ports): Promise<void> => {
  const checked = await Promise.all(
    Object.entries(ports).map(async ([name, port]) => ({ name, port, free: await isFree(port) })),
  );
  const taken = checked.filter(({ free }) => !free);
  if (taken.length === 0) return;
  const list = taken.map(({ name, port }) => `  ${port} (wanted by ${name})`).join("\n");
  throw new Error(
    `These ports on 127.0.0.1 are taken:\n${list}\n` +
      "Stop what listens there (`make down` if it is an earlier stack), or move this stack with PORT_OFFSET=1000.",
  );
};

/** A layout in which every port is free; for stacks that live as long as one run, and may start at one time. */
export const findFreeLayout = async (dir: string): Promise<Layout> => {
  for (
    let offset = 10_000 + Math.floor(Math.random() * 1_000);
    offset < 50_000;
    offset += 1_000 + Math.floor(Math.random() * 200)
  ) {
    const layout = createLayout(dir, offset);
    const free = await Promise.all(Object.values(layout.ports).map(isFree));
    if (free.every(Boolean)) return layout;
  }
  throw new Error("No range of free ports was found between 18000 and 59000.");
};
