import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Link, open } from "./Link.ts";

let echo: Server;
let link: Link;
const clients: Socket[] = [];

const dial = (): Socket => {
  const socket = connect({ host: "127.0.0.1", port: link.port });
  clients.push(socket);
  return socket;
};

/** What comes back for `text`, and after how many milliseconds. */
const ask = async (socket: Socket, text: string): Promise<{ answer: string; tookMs: number }> => {
  const startedAt = performance.now();
  socket.write(text);
  const [bytes] = await once(socket, "data");
  return { answer: String(bytes), tookMs: performance.now() - startedAt };
};

beforeEach(async () => {
  echo = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.pipe(socket);
  });
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  const address = echo.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  link = await Link.listen(address.port);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await link.close();
  echo.close();
});

describe("a link", () => {
  test("passes bytes through both ways", async () => {
    const socket = dial();
    expect(await ask(socket, "one")).toMatchObject({ answer: "one" });
    expect(await ask(socket, "two")).toMatchObject({ answer: "two" });
  });

  test("that is slow delays each direction, and keeps the order", async () => {
    link.set({ kind: "open", delayMs: 100 });
    const socket = dial();
    const { answer, tookMs } = await ask(socket, "slow");
    expect(answer).toBe("slow");
    expect(tookMs).toBeGreaterThanOrEqual(195);
    link.set(open);
    expect((await ask(socket, "later")).answer).toBe("later");
  });

  test("that is silent keeps what it gets until it is open again", async () => {
    const socket = dial();
    await ask(socket, "before");
    link.set({ kind: "silent" });
    let answers = 0;
    socket.on("data", () => {
      answers += 1;
    });
    socket.write("during");
    await sleep(150);
    expect(answers).toBe(0);
    link.set(open);
    const [late] = await once(socket, "data");
    expect(String(late)).toBe("during");
  });

  test("that refuses resets what is open and what comes", async () => {
    const socket = dial();
    await ask(socket, "before");
    const broken = once(socket, "error");
    link.set({ kind: "refusing" });
    expect((await broken)[0]).toMatchObject({ code: "ECONNRESET" });
    const [error] = await once(dial(), "error");
    expect(error).toMatchObject({ code: "ECONNRESET" });
  });
});
