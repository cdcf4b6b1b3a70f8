import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryDir } from "./layout.ts";

/** Arguments of Node with which a service starts, as its own `start` script names them. */
export const startArgs = (folder: string): string[] => {
  const file = join(repositoryDir, "services", folder, "package.json");
  const { scripts }: { scripts?: { start?: string } } = JSON.parse(readFileSync(file, "utf8"));
  const [program, ...args] = scripts?.start?.split(" ") ?? [];
  if (program !== "node") throw new Error(`${file} has no start script that begins with node.`);
  return args;
};
