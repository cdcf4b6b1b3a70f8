import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { freePort } from "../src/testing/index.ts";

const fixture = fileURLToPath(new URL("./fixtureService.ts", import.meta.url));
const children: ReturnType<typeof spawn>[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

const start = (env: Record<string, string>) => {
  const child = spawn(process.execPath, ["--import", "tsx", fixture], {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    env: { PATH: process.env.PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  let output = "";
  let waiting: { text: string; resolve: () => void }[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
      for (const { resolve } of waiting.filter(({ text }) => output.includes(text))) resolve();
      waiting = waiting.filter(({ text }) => !output.includes(text));
    });
  }
  const prints = (text: string): Promise<void> =>
    new Promise((resolve) => (output.includes(text) ? resolve() : waiting.push({ text, resolve })));
  return { child, prints, output: () => output, exited: once(child, "exit") };
};

test("a missing variable ends the start with its name, what to set, and code 1", async () => {
  const service = start({});
  expect((await service.exited)[0]).toBe(1);
  expect(service.output()).toContain("PORT: missing; set it to a TCP port");
  expect(service.output()).not.toContain("    at ");
});

test("a taken port says so and what to do", async () => {
  const port = await freePort();
  const other = createServer().listen(port, "127.0.0.1");
  await once(other, "listening");
  const service = start({ PORT: String(port) });
  expect((await service.exited)[0]).toBe(1);
  expect(service.output()).toBe(`port ${port} on 127.0.0.1 is taken; set PORT or stop what listens there\n`);
  other.close();
});

test("SIGTERM lets the running call end, closes in order and exits with 0", async () => {
  const port = await freePort();
  const service = start({ PORT: String(port) });
  await service.prints("listening");
  const answer = fetch(`http://127.0.0.1:${port}/slow`);
  await service.prints("slow call began");
  service.child.kill("SIGTERM");
  expect(await (await answer).text()).toBe("done");
  expect((await service.exited)[0]).toBe(0);
  expect(service.output().indexOf("app closed")).toBeLessThan(service.output().indexOf("store closed"));
});

test("a part that never closes does not keep the process beyond the deadline", async () => {
  const service = start({ PORT: String(await freePort()), HANG: "true" });
  await service.prints("listening");
  service.child.kill("SIGTERM");
  expect((await service.exited)[0]).toBe(1);
});

test("an unhandled rejection closes the service and exits with 1", async () => {
  const port = await freePort();
  const service = start({ PORT: String(port) });
  await service.prints("listening");
  await fetch(`http://127.0.0.1:${port}/reject`);
  expect((await service.exited)[0]).toBe(1);
  expect(service.output()).toContain("store closed");
});
