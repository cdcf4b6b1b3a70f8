import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { Pool } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Authority, createAuthority, type LeafRequest } from "../src/development/index.ts";
import {
  type App,
  CertificateNameError,
  createApp,
  createLogger,
  createMetrics,
  peerCertificateOf,
  requireCertificate,
  type ServerTls,
  staticTls,
  TlsDispatcher,
} from "../src/index.ts";

const hourMs = 3_600_000;
const server: LeafRequest = {
  commonName: "server",
  uses: ["server"],
  names: ["urn:tac:provider:1"],
  lifetimeMs: hourMs,
};
const client: LeafRequest = {
  commonName: "client",
  uses: ["client"],
  names: ["urn:tac:gateway:a"],
  lifetimeMs: hourMs,
};

let authority: Authority;
let stranger: Authority;
const apps: App[] = [];

const listen = async (clients: ServerTls["clients"]): Promise<string> => {
  const app = createApp({
    service: "under-test",
    logger: createLogger({ service: "under-test", level: "silent" }),
    metrics: createMetrics({ service: "under-test", processMetrics: false }),
    tls: { source: staticTls({ ...(await authority.issue(server)), ca: authority.cert }), clients },
  });
  app.get("/v1/names", async (request) => [...(peerCertificateOf(request.raw.socket)?.names ?? [])]);
  app.get("/v1/for-a", async (request) => {
    requireCertificate(request.raw.socket, "urn:tac:gateway:a");
    return { passed: true };
  });
  apps.push(app);
  return app.listen({ host: "127.0.0.1", port: 0 });
};

/** One GET on a connection of its own; rejects when the handshake or the exchange fails. */
const get = async (url: string, path: string, options: ConnectionOptions = {}): Promise<string> => {
  const { port } = new URL(url);
  const socket = connect({ host: "127.0.0.1", port: Number(port), ca: authority.cert, ...options });
  try {
    await once(socket, "secureConnect");
    return await exchange(socket, path);
  } finally {
    socket.destroy();
  }
};

const exchange = async (socket: TLSSocket, path: string): Promise<string> => {
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  if (text === "") throw new Error("the connection was closed without an answer");
  return text;
};

beforeAll(async () => {
  authority = await createAuthority("test", hourMs);
  stranger = await createAuthority("test", hourMs);
});
afterAll(() => Promise.all(apps.map((app) => app.close())));

describe("a listener that requires client certificates", () => {
  let url: string;
  beforeAll(async () => {
    url = await listen("require");
  });

  test("serves who shows one of its authority, and reads the names in it", async () => {
    const pair = await authority.issue(client);
    expect(await get(url, "/v1/names", pair)).toContain('["urn:tac:gateway:a"]');
    expect(await get(url, "/v1/for-a", pair)).toContain('{"passed":true}');
  });
  test("refuses the handshake without a certificate", async () => {
    await expect(get(url, "/livez")).rejects.toThrow(/certificate required/);
  });
  test("refuses a certificate of another authority, even one of the same name", async () => {
    await expect(get(url, "/livez", await stranger.issue(client))).rejects.toThrow();
  });
  test("refuses an expired certificate", async () => {
    const pair = await authority.issue({ ...client, lifetimeMs: 1_000, issuedAtMs: Date.now() - 2_000 });
    await expect(get(url, "/livez", pair)).rejects.toThrow();
  });
  test("refuses a server's certificate as a client's", async () => {
    await expect(get(url, "/livez", await authority.issue(server))).rejects.toThrow();
  });
  test("refuses TLS 1.2", async () => {
    const pair = await authority.issue(client);
    await expect(get(url, "/livez", { ...pair, maxVersion: "TLSv1.2" })).rejects.toThrow(/protocol version/);
  });
  test("answers nothing on plain HTTP", async () => {
    const socket = connectTcp(Number(new URL(url).port), "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n");
    let text = "";
    socket.on("data", (chunk) => {
      text += String(chunk);
    });
    await once(socket, "close");
    expect(text).not.toContain("HTTP/1.1 200");
  });
});

describe("a listener that asks for client certificates", () => {
  let url: string;
  beforeAll(async () => {
    url = await listen("request");
  });

  test("serves strangers, and refuses them where a route needs a name", async () => {
    expect(await get(url, "/v1/names")).toContain("200 OK");
    expect(await get(url, "/v1/for-a")).toMatch(/403.*certificate_required/s);
    expect(await get(url, "/v1/for-a", await stranger.issue(client))).toMatch(/403.*certificate_required/s);
  });
  test("refuses the name of another", async () => {
    const other = await authority.issue({ ...client, names: ["urn:tac:gateway:b"] });
    expect(await get(url, "/v1/for-a", other)).toMatch(/403.*does not name urn:tac:gateway:a/s);
  });
  test("does not take a resumed session without a certificate for an authorized one", async () => {
    const { port } = new URL(url);
    const options = { host: "127.0.0.1", port: Number(port), ca: authority.cert };
    const first = connect(options);
    const [session] = (await once(first, "session")) as [Buffer];
    first.destroy();
    const resumed = connect({ ...options, session });
    await once(resumed, "secureConnect");
    expect(resumed.isSessionReused()).toBe(true);
    expect(await exchange(resumed, "/v1/for-a")).toMatch(/403.*certificate_required/s);
    resumed.destroy();
  });
  test("forgets a certificate that expires while its connection stays open", async () => {
    const pair = await authority.issue({ ...client, lifetimeMs: 2_500 });
    const pool = new Pool(url, { connections: 1, connect: { ...pair, ca: authority.cert } });
    const ask = async (): Promise<number> => {
      const { statusCode, body } = await pool.request({ method: "GET", path: "/v1/for-a" });
      await body.dump();
      return statusCode;
    };
    expect(await ask()).toBe(200);
    await expect.poll(ask, { timeout: 6_000, interval: 200 }).toBe(403);
    await pool.close();
  });
});

describe("a client that knows whom it calls", () => {
  const ask = async (url: string, serverName: string, ca = authority.cert): Promise<number> => {
    const dispatcher = new TlsDispatcher({
      source: staticTls({ ...(await authority.issue(client)), ca }),
      serverName,
      create: (connect) => new Pool(url, { connect }),
    });
    try {
      const { statusCode, body } = await dispatcher.request({ origin: url, method: "GET", path: "/livez" });
      await body.dump();
      return statusCode;
    } finally {
      await dispatcher.close();
    }
  };

  test("talks to the server its certificate names", async () => {
    expect(await ask(await listen("require"), "urn:tac:provider:1")).toBe(200);
  });
  test("refuses another party's server on the same host", async () => {
    await expect(ask(await listen("require"), "urn:tac:provider:2")).rejects.toThrow(CertificateNameError);
  });
  test("refuses a server of another authority", async () => {
    await expect(ask(await listen("require"), "urn:tac:provider:1", stranger.cert)).rejects.toThrow();
  });
});
