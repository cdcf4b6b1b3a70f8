import type { KeyObject } from "node:crypto";
import { certificateNames, requireCertificate } from "@tac/kit";
import { Errors, FeedEvent, PeerAuth, UsageReport, Wire } from "@tac/protocol";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { takeReport } from "../call/takeReport.ts";
import type { Deps } from "../deps.ts";
import { readPage } from "../feed/feedStore.ts";
import { settleBatch } from "../feed/settleBatch.ts";
import { bodyBytes, readJson, SMALL_BODY } from "./readJson.ts";

const MAX_PAGE = 1000;

const pageQuery = z.strictObject({
  after: z
    .string()
    .regex(/^(?:0|[1-9][0-9]{0,17})$/)
    .default("0")
    .transform((digits) => BigInt(digits)),
  limit: z
    .string()
    .regex(/^[1-9][0-9]{0,3}$/)
    .default("100")
    .transform((digits) => Math.min(Number(digits), MAX_PAGE)),
});

const noticeSchema = z.strictObject({
  laneId: Wire.uint32,
  batchNumber: Wire.uint64,
  batchHash: Wire.bytes32,
  transactionHash: Wire.bytes32,
  receiptIds: z.array(Wire.bytes32).max(100_000),
});

/** The name in the certificate of the node with this key. */
function nameOf(key: KeyObject): string {
  return certificateNames.aggregator(key.export({ format: "jwk" }).x ?? "");
}

/** What aggregators and providers exchange with the gateway. */
export function addOracleRoutes(app: FastifyInstance, deps: Deps): void {
  const { identity, peers, pool, tls } = deps;
  const namesOfPeers = new Map([...peers].map(([peer, key]) => [peer, nameOf(key)]));

  const requirePeer = (request: FastifyRequest): void => {
    const peer = PeerAuth.verify({
      method: request.method,
      path: request.url,
      body: bodyBytes(request.body),
      headers: request.headers,
      nowMs: deps.nowMs(),
      publicKeyOf: (name) => peers.get(name),
    });
    if (tls === null || tls.current().ca === null) return;
    const name = namesOfPeers.get(peer);
    if (name === undefined) throw Errors.fromCode("certificate_required");
    requireCertificate(request.raw.socket, name);
  };

  app.get("/v1/oracle/events", async (request) => {
    requirePeer(request);
    const { after, limit } = Wire.parse(pageQuery, request.query);
    const { events, head } = await readPage(pool, identity.gateway, after, limit);
    const { signature } = FeedEvent.signHead(
      head,
      identity.domains.usageReceipts,
      identity.gatewayPrivateKey,
    );
    return { events, head: { gateway: head.gateway, seq: head.seq.toString(), hash: head.hash, signature } };
  });

  app.post("/v1/oracle/receipt", async (request) => {
    requirePeer(request);
    return { accepted: await settleBatch(deps, readJson(noticeSchema, request.body)) };
  });

  app.post("/v1/usage/emit", SMALL_BODY, async (request) =>
    takeReport(deps, readJson(UsageReport.schema, request.body)),
  );
}
