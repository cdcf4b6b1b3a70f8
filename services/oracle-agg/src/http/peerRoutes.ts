import type { KeyObject } from "node:crypto";
import type { App } from "@tac/kit";
import { certificateNames, parseBody, requireCertificate } from "@tac/kit";
import { Errors, PeerAuth } from "@tac/protocol";
import type { FastifyRequest } from "fastify";
import { type AggregatorSet, replicaOf } from "../keys/AggregatorSet.ts";
import type { SetBook } from "../keys/SetBook.ts";
import { messageSchema } from "../protocol/Message.ts";
import type { Runtime } from "../Runtime.ts";
import { runningReplica } from "./runningReplica.ts";

const MAX_BODY_BYTES = 2 * 1024 * 1024;

/**
 * What replicas say to each other; every call is signed by a node key of the set, and with `demandsCertificate` it comes
 * on a connection whose certificate names that very key.
 */
export const addPeerRoutes = (
  app: App,
  runtime: Runtime,
  book: SetBook,
  { demandsCertificate }: { demandsCertificate: boolean },
): void => {
  const enrolled = new WeakMap<AggregatorSet, Map<string, KeyObject>>();
  const keysOf = (set: AggregatorSet): Map<string, KeyObject> => {
    const keys =
      enrolled.get(set) ??
      new Map(set.replicas.map(({ id, nodePublicKey }) => [String(id), PeerAuth.enrol(nodePublicKey)]));
    enrolled.set(set, keys);
    return keys;
  };
  const authenticate = (request: FastifyRequest): { peer: number; body: unknown } => {
    const set = presentSet(runtime, book);
    const raw = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const peer = PeerAuth.verify({
      method: request.method,
      path: request.url,
      body: raw,
      headers: request.headers,
      nowMs: Date.now(),
      publicKeyOf: (name) => keysOf(set).get(name),
    });
    if (demandsCertificate) {
      const { nodePublicKey } = replicaOf(set, Number(peer));
      requireCertificate(request.raw.socket, certificateNames.aggregator(nodePublicKey));
    }
    return { peer: Number(peer), body: raw.length === 0 ? undefined : parseJson(raw) };
  };

  app.register(async (scope) => {
    // The signature covers the bytes, so they are kept as they came.
    scope.addContentTypeParser(
      "application/json",
      { parseAs: "buffer", bodyLimit: MAX_BODY_BYTES },
      (_request, body, done) => done(null, body),
    );

    scope.post("/v1/peer/messages", async (request, reply) => {
      const { peer, body } = authenticate(request);
      const message = parseBody(messageSchema, body);
      await runningReplica(runtime).driver.receive(peer, message);
      return reply.code(202).send({ taken: true });
    });
  });
};

/** The set whose key the replica runs with; before it runs, the first its operator named. */
const presentSet = (runtime: Runtime, book: SetBook): AggregatorSet => {
  try {
    return runtime.replica().context.set;
  } catch (error) {
    // A replica that does not run yet refuses strangers before it says so.
    const [set] = book.sets();
    if (set === undefined) throw error;
    return set;
  }
};

const parseJson = (raw: Buffer): unknown => {
  try {
    return JSON.parse(raw.toString("utf8"));
  } catch (cause) {
    throw Errors.fromCode("invalid_request", { detail: "The body is not JSON.", cause });
  }
};
