import { randomBytes } from "node:crypto";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import {
  Constants,
  DpopProof,
  Header,
  Nano,
  ProtocolError,
  type Tariff,
  UsageAuth,
  UsageReceipt,
} from "@tac/protocol";
import { type FastifyReply, type FastifyRequest, fastify } from "fastify";
import type { Hex } from "viem";
import { createCertificate } from "./createCertificate.ts";
import { testGatewayAddress, testModels, toTariffs } from "./fixtures.ts";
import { createTestJobs, settlementOf, type TestJob, type TestJobs } from "./TestJobs.ts";
import { answerOf, type TestAnswer } from "./testAnswers.ts";

/** What a request was, and that its proof held: a request with a bad proof never gets here. */
export type SeenRequest = {
  method: string;
  path: string;
  proof: DpopProof.DpopProof | null;
  exporter: string;
  headers: FastifyRequest["headers"];
  body: Buffer;
};

/** Answers a request in place of the gateway when it returns something; `drop` cuts the connection. */
export type Fault = (
  request: FastifyRequest,
) => { status: number; headers?: Record<string, string>; code?: ProtocolError } | "drop" | undefined;

export type TestGateway = {
  url: string;
  ca: string;
  jobs: TestJobs;
  /** Requests whose proof was verified, in order; those answered by a fault included. */
  seen: SeenRequest[];
  /** Asked before each proven request is answered; put faults in here. */
  faults: Fault[];
  /** Number of TLS connections accepted so far. */
  connectionCount(): number;
  /** Ends every open connection, as a restart or an idle time-out does. */
  dropConnections(): void;
  /** Makes every nonce given out so far stale. */
  expireNonces(): void;
  /** What the model answers to the last message of a chat. */
  echo: (prompt: string) => string;
  /** So many answers of charged calls are cut off, together with their connections, after their first bytes. */
  answersToCutOff: number;
  /** Milliseconds between two pieces of a stream. */
  pieceDelayMs: number;
  /** Pieces of text sent in streams so far. */
  piecesSent(): number;
  close(): Promise<void>;
};

/**
 * An HTTPS gateway for tests, TLS 1.3 only, that checks every proof as the real one does: method, URL, token,
 * nonce, body, exporter of the very connection, and that it is used once.
 */
export async function startTestGateway(
  tariffs: Tariff.Tariff[] = toTariffs(testModels),
): Promise<TestGateway> {
  const certificate = await createCertificate();
  const app = fastify({
    https: { key: certificate.key, cert: certificate.cert, minVersion: "TLSv1.3" },
    forceCloseConnections: true,
  });
  const jobs = createTestJobs(tariffs);
  const seen: SeenRequest[] = [];
  const sockets = new Set<Socket>();
  const jtis = new Set<string>();
  const answered = new Map<
    string,
    { bodyHash: string; answer: TestAnswer; receiptId: Hex; costNano: bigint }
  >();
  const gateway = {
    faults: [] as Fault[],
    echo: (prompt: string) => `You said: ${prompt}`,
    pieceDelayMs: 0,
    answersToCutOff: 0,
  };
  let nonce = newNonce();
  let connectionCount = 0;
  let piecesSent = 0;

  app.server.on("secureConnection", (socket: TLSSocket) => {
    connectionCount += 1;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    "application/json",
    { parseAs: "buffer" },
    async (_request: FastifyRequest, body: Buffer) => body,
  );
  app.addHook("onRequest", async (_request, reply) => {
    reply.header(Header.requestId, `test-${randomBytes(6).toString("hex")}`);
  });
  app.setErrorHandler((error, _request, reply) => {
    const known = error instanceof ProtocolError ? error : new ProtocolError("internal", { cause: error });
    if (known.status === 401) reply.header(Header.dpopNonce, nonce);
    return reply.code(known.status).send(known.toOpenAi());
  });

  function bodyOf(request: FastifyRequest): Buffer {
    return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  }

  function keyOf(request: FastifyRequest): string | null {
    const key = request.headers[Header.idempotencyKey];
    return typeof key === "string" ? key : null;
  }

  function note(request: FastifyRequest, proof: DpopProof.DpopProof | null, exporter: Buffer): void {
    const { method, headers, url: path } = request;
    seen.push({
      method,
      path,
      proof,
      headers,
      exporter: exporter.toString("base64url"),
      body: bodyOf(request),
    });
  }

  function verify(
    request: FastifyRequest,
    usageAuth: string | undefined,
    holder: Hex | null,
  ): DpopProof.DpopProof {
    const exporter = exporterOf(request);
    const proof = DpopProof.verify(String(request.headers[Header.dpop]), {
      method: request.method,
      url: `${url}${request.url}`,
      nowSeconds: Math.floor(Date.now() / 1000),
      maxAgeSeconds: 60,
      holder,
      nonce: (candidate) => candidate === nonce,
      exporter,
      bodyHash: DpopProof.bodyHash(bodyOf(request)),
      idempotencyKey: keyOf(request),
      ...(usageAuth === undefined ? {} : { usageAuth }),
    });
    if (jtis.has(proof.claims.jti)) throw new ProtocolError("proof_replayed");
    jtis.add(proof.claims.jti);
    note(request, proof, exporter);
    return proof;
  }

  function authenticate(request: FastifyRequest): { job: TestJob; proof: DpopProof.DpopProof } {
    const token = String(request.headers[Header.usageAuth]);
    const nowSeconds = Math.floor(Date.now() / 1000);
    const usageAuth = UsageAuth.verify(token, {
      nowSeconds,
      isGateway: (issuer) => issuer === testGatewayAddress,
    });
    const proof = verify(request, token, usageAuth.holder);
    const job = jobs.all.get(usageAuth.jobId);
    if (!job) throw new ProtocolError("unknown_job");
    return { job, proof };
  }

  function isAnsweredByFault(request: FastifyRequest, reply: FastifyReply): boolean {
    const outcome = gateway.faults
      .map((fault) => fault(request))
      .find((candidate) => candidate !== undefined);
    if (outcome === undefined) return false;
    if (outcome === "drop") {
      reply.hijack();
      request.raw.socket.destroy();
      return true;
    }
    reply.code(outcome.status).headers(outcome.headers ?? {});
    reply.send(outcome.code?.toOpenAi() ?? "");
    return true;
  }

  app.get("/v1/nonce", async (request, reply) => {
    note(request, null, exporterOf(request));
    return reply.code(204).header(Header.dpopNonce, nonce).send();
  });
  app.post("/v1/jobs/quote", async (request, reply) => {
    note(request, null, exporterOf(request));
    if (isAnsweredByFault(request, reply)) return reply;
    return jobs.quote(JSON.parse(bodyOf(request).toString()));
  });
  app.post("/v1/jobs/lock", async (request, reply) => {
    verify(request, undefined, null);
    if (isAnsweredByFault(request, reply)) return reply;
    return jobs.lock(JSON.parse(bodyOf(request).toString())).answer;
  });
  app.post("/v1/jobs/close", async (request, reply) => {
    const { job } = authenticate(request);
    if (isAnsweredByFault(request, reply)) return reply;
    return jobs.close(job);
  });
  app.get("/v1/jobs/:jobId", async (request) => jobs.status(authenticate(request).job));
  app.get("/v1/receipts/:receiptId", async (request) => {
    const { job } = authenticate(request);
    const id = request.url.split("/").at(-1);
    const signed = job.receipts.find(({ receipt }) => receipt.receiptId === id);
    if (!signed) throw new ProtocolError("unknown_receipt");
    return {
      receipt: UsageReceipt.toJson(signed.receipt),
      signature: signed.receiptSignature,
      settlement: job.status === "settled" ? settlementOf(job) : null,
    };
  });
  for (const path of ["/v1/chat/completions", "/v1/embeddings", "/v1/execute"]) {
    app.post(path, async (request, reply) => {
      const { job, proof } = authenticate(request);
      if (isAnsweredByFault(request, reply)) return reply;
      if (job.status !== "open") throw new ProtocolError("job_closed");
      const body = bodyOf(request);
      const key = `${job.capability.jobId} ${String(request.headers[Header.idempotencyKey])}`;
      const known = answered.get(key);
      if (known && known.bodyHash !== DpopProof.bodyHash(body))
        throw new ProtocolError("idempotency_conflict");
      const answer = known?.answer ?? answerOf(path, JSON.parse(body.toString()), gateway.echo);
      const { receiptId, costNano } =
        known ?? jobs.charge(job, { model: answer.model, units: answer.units, proof }).receipt;
      answered.set(key, { bodyHash: DpopProof.bodyHash(body), answer, receiptId, costNano });
      if (costNano > (proof.claims.maxCostNano ?? 0n)) throw new ProtocolError("over_max_cost");
      reply.header(Header.receiptId, receiptId).header(Header.dpopNonce, nonce);
      if (gateway.answersToCutOff > 0) {
        gateway.answersToCutOff -= 1;
        reply.hijack();
        request.raw.socket.end("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{", () =>
          request.raw.socket.destroy(),
        );
        return reply;
      }
      if (answer.pieces === null)
        return reply.header(Header.costNano, Nano.toJson(costNano)).send(answer.json);
      return sendStream(reply, answer, answer.pieces);
    });
  }

  async function sendStream(
    reply: FastifyReply,
    answer: TestAnswer,
    pieces: string[],
  ): Promise<FastifyReply> {
    const headers = Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)]);
    reply.hijack();
    reply.raw.writeHead(200, { ...Object.fromEntries(headers), "content-type": "text/event-stream" });
    const send = (delta: object, finish_reason: string | null) => {
      const chunk = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 0, model: answer.model };
      reply.raw.write(
        `data: ${JSON.stringify({ ...chunk, choices: [{ index: 0, delta, finish_reason }] })}\n\n`,
      );
    };
    for (const content of pieces) {
      if (reply.raw.destroyed) return reply;
      send({ content }, null);
      piecesSent += 1;
      if (gateway.pieceDelayMs > 0) await sleep(gateway.pieceDelayMs);
    }
    send({}, "stop");
    reply.raw.end("data: [DONE]\n\n");
    return reply;
  }

  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const url = `https://127.0.0.1:${port}`;

  return Object.assign(gateway, {
    url,
    ca: certificate.ca,
    jobs,
    seen,
    connectionCount: () => connectionCount,
    dropConnections() {
      for (const socket of sockets) socket.destroy();
    },
    expireNonces() {
      nonce = newNonce();
    },
    piecesSent: () => piecesSent,
    close: () => app.close(),
  });
}

function newNonce(): string {
  return randomBytes(16).toString("base64url");
}

function exporterOf(request: FastifyRequest): Buffer {
  const { socket } = request.raw;
  if (!(socket instanceof TLSSocket)) throw new Error("The connection has no TLS.");
  return socket.exportKeyingMaterial(
    Constants.EXPORTER_LENGTH_BYTES,
    Constants.EXPORTER_LABEL,
    Buffer.alloc(0),
  );
}
