import { createPublicKey } from "node:crypto";
import { certificateNames, staticTls } from "@tac/kit";
import { type Authority, createAuthority } from "@tac/kit/development";
import { Capability, PeerAuth, UsageAuth } from "@tac/protocol";
import { Agent, request } from "undici";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Gateway, GatewaySettings } from "../src/createGateway.ts";
import { codeOf } from "./support/answers.ts";
import { grantBody, makeGrant } from "./support/grants.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { hex32 } from "./support/hex32.ts";
import { gatewayAddress } from "./support/identities.ts";

let harness: Harness;
let authority: Authority;
const replicas: Gateway[] = [];

/** One more replica over the same store, with settings of its own; gives where it listens. */
const startReplica = async (replicaId: string, settings: Partial<GatewaySettings>): Promise<string> => {
  const replica = await harness.makeGateway({ replicaId, ...settings });
  await replica.start();
  replicas.push(replica);
  return replica.app.listen({ host: "127.0.0.1", port: 0 });
};

beforeAll(async () => {
  harness = await startHarness();
  authority = await createAuthority("test", 3_600_000);
});
afterEach(() => harness.reset());
afterAll(async () => {
  for (const replica of replicas) {
    await replica.app.close();
    await replica.stop();
  }
  await harness.stop();
});

describe("the feed of a gateway that checks aggregators' certificates", () => {
  let url: string;
  const peerName = () =>
    certificateNames.aggregator(createPublicKey(harness.peerKey).export({ format: "jwk" }).x ?? "");
  const clientOf = (by: Authority, name: string, lifetimeMs = 3_600_000) =>
    by.issue({ commonName: "aggregator", uses: ["client"], names: [name], lifetimeMs });

  beforeAll(async () => {
    const tls = staticTls({ ...harness.certificate, ca: authority.cert });
    url = await startReplica("with-ca", { tls });
  });

  const readFeed = async (pair: { cert?: string; key?: string }): Promise<[number, string]> => {
    const path = "/v1/oracle/events?after=0&limit=1";
    const headers = PeerAuth.sign(
      { method: "GET", path, peer: "1", timestampMs: Date.now() },
      harness.peerKey,
    );
    const agent = new Agent({ connect: { ca: harness.certificate.cert, ...pair } });
    try {
      const { statusCode, body } = await request(`${url}${path}`, { headers, dispatcher: agent });
      const text = await body.text();
      return [statusCode, statusCode === 200 ? "" : codeOf(text)];
    } finally {
      await agent.close();
    }
  };

  test("is read by the node whose key both signs and is named", async () => {
    expect(await readFeed(await clientOf(authority, peerName()))).toEqual([200, ""]);
  });
  test("is closed to the right signature on a connection without a certificate", async () => {
    expect(await readFeed({})).toEqual([403, "certificate_required"]);
  });
  test("is closed to the certificate of another node, of a stranger's authority, and of a gateway", async () => {
    const stranger = await createAuthority("test", 3_600_000);
    const pairs = [
      await clientOf(authority, certificateNames.aggregator("another")),
      await clientOf(authority, certificateNames.gateway(gatewayAddress)),
      await clientOf(stranger, peerName()),
    ];
    for (const pair of pairs) expect(await readFeed(pair)).toEqual([403, "certificate_required"]);
  });
  test("leaves callers alone: they show no certificate and are bound by the exporter", async () => {
    const job = await harness.openJob();
    const by = await harness.caller(job.by.holder, { connectUrl: url });
    expect((await by.send(job.chat())).status).toBe(200);
  });
});

describe("a gateway behind a load balancer that ends TLS", () => {
  let connectUrl: string;
  beforeAll(async () => {
    connectUrl = await startReplica("behind", {
      isTlsTerminatedUpstream: true,
      trustedProxies: ["127.0.0.1"],
    });
  });

  test("says so, and one that ends TLS itself says the contrary", async () => {
    const profileAt = async (url: string): Promise<unknown> => {
      const agent = new Agent({ connect: { ca: harness.certificate.cert } });
      const { headers, body } = await request(`${url}/v1/nonce`, { dispatcher: agent });
      await body.dump();
      await agent.close();
      return headers["x-binding-profile"];
    };
    expect(await profileAt(connectUrl)).toBe("nonce-only");
    expect(await profileAt(harness.url)).toBe("exporter");
  });

  test("refuses to lock a capability that is bound to connections, although its own hop is TLS", async () => {
    const by = await harness.caller(undefined, { connectUrl });
    const grant = makeGrant(by.holder.jwk, hex32());
    const answer = await by.send({ path: "/v1/jobs/lock", body: grantBody(grant) });
    expect([answer.status, codeOf(answer.text)]).toEqual([403, "binding_unsupported"]);
    expect(harness.chain.locks.has(grant.capability.jobId)).toBe(false);
  });

  test("refuses a call of a job that was locked elsewhere with the binding, before anything is held", async () => {
    const job = await harness.openJob();
    const by = await harness.caller(job.by.holder, { connectUrl });
    harness.provider.received.length = 0;
    const answer = await by.send(job.chat());
    expect([answer.status, codeOf(answer.text)]).toEqual([403, "binding_unsupported"]);
    expect(harness.provider.received).toEqual([]);
  });

  test("serves a nonce-bound job, whose token states the weaker profile", async () => {
    const job = await harness.openJob({ binding: Capability.BINDING_NONCE });
    const by = await harness.caller(job.by.holder, { connectUrl });
    expect((await by.send(job.chat())).status).toBe(200);
    const usageAuth = UsageAuth.verify(job.token, {
      nowSeconds: Math.floor(Date.now() / 1000),
      isGateway: (address) => address === gatewayAddress,
    });
    expect(usageAuth.binding).toBe(Capability.BINDING_NONCE);
  });
});

describe("x-forwarded-for", () => {
  const statusesAt = async (trustedProxies: string[]): Promise<number[]> => {
    const url = await startReplica(`proxies-${trustedProxies[0]?.replace(/[^0-9]/g, "-")}`, {
      isTlsTerminatedUpstream: true,
      trustedProxies,
      rateLimits: { perIpPerMinute: 2, perJobPerMinute: 100, quotesPerMinute: 100 },
    });
    const agent = new Agent({ connect: { ca: harness.certificate.cert } });
    const statuses: number[] = [];
    for (let caller = 1; caller <= 4; caller += 1) {
      const headers = { "x-forwarded-for": `203.0.113.${caller}` };
      const { statusCode, body } = await request(`${url}/v1/nonce`, { headers, dispatcher: agent });
      await body.dump();
      statuses.push(statusCode);
    }
    await agent.close();
    return statuses;
  };

  test("of a configured proxy tells callers apart", async () => {
    expect(await statusesAt(["127.0.0.1"])).toEqual([204, 204, 204, 204]);
  });
  test("of anybody else is ignored, so that no caller escapes its limit", async () => {
    expect(await statusesAt(["10.0.0.0/8"])).toEqual([204, 204, 429, 429]);
  });
});
