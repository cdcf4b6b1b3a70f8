import type { App } from "@tac/kit";
import { certificateNames, staticTls } from "@tac/kit";
import { type Authority, createAuthority } from "@tac/kit/development";
import { Wire } from "@tac/protocol";
import { Agent, request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiKey, build, forwarded, guarded, key } from "./harness.ts";

const lifetimeMs = 3_600_000;
/** The gateway whose tokens `forwarded` makes. */
const issuer = Wire.privateKeyToAddress(key("11"));
const otherGateway = Wire.privateKeyToAddress(key("99"));

describe("a provider over mutual TLS", () => {
  let authority: Authority;
  let app: App;
  let url: string;
  beforeAll(async () => {
    authority = await createAuthority("test", lifetimeMs);
    const pair = await authority.issue({
      commonName: "provider",
      uses: ["server"],
      names: [certificateNames.provider(1)],
      lifetimeMs,
    });
    app = build({
      guard: guarded(new Set(), { demandsCertificate: true }),
      tls: { source: staticTls({ ...pair, ca: authority.cert }), clients: "require" },
    });
    url = await app.listen({ host: "127.0.0.1", port: 0 });
  });
  afterAll(() => app.close());

  const pairOf = (name: string) =>
    authority.issue({ commonName: "client", uses: ["client"], names: [name], lifetimeMs });

  const call = async (pair: { cert?: string; key?: string }): Promise<{ status: number; text: string }> => {
    const agent = new Agent({ connect: { ca: authority.cert, ...pair } });
    try {
      const { statusCode, body } = await request(`${url}/v1/chat/completions`, {
        method: "POST",
        dispatcher: agent,
        headers: { ...forwarded(), authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
        body: JSON.stringify({
          model: "sim-chat",
          max_tokens: 5,
          messages: [{ role: "user", content: "hi" }],
        }),
      });
      return { status: statusCode, text: await body.text() };
    } finally {
      await agent.close();
    }
  };

  test("serves the gateway that issued the token", async () => {
    expect((await call(await pairOf(certificateNames.gateway(issuer)))).status).toBe(200);
  });
  test("refuses the token of one gateway on the connection of another", async () => {
    const { status, text } = await call(await pairOf(certificateNames.gateway(otherGateway)));
    expect([status, text]).toEqual([403, expect.stringContaining("certificate_required")]);
  });
  test("refuses a party that is no gateway", async () => {
    expect((await call(await pairOf(certificateNames.provider(1)))).status).toBe(403);
  });
  test("is closed to who shows no certificate, before a byte of HTTP", async () => {
    await expect(call({})).rejects.toThrow();
  });
});
