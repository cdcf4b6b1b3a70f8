import { Readable } from "node:stream";
import { Errors, Header, Tariff, Wire } from "@tac/protocol";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { idempotencyKeyOf } from "../auth/idempotencyKeyOf.ts";
import type { CallAnswer } from "../call/CallService.ts";
import { Interruption } from "../call/Interruption.ts";
import { isJsonObject, type JsonObject, longestBytes, parseJsonObject } from "../call/json.ts";
import { readWanted, type WantedCall } from "../call/wanted.ts";
import type { Deps } from "../deps.ts";
import { bodyBytes } from "./readJson.ts";

const executeSchema = z.strictObject({
  kind: Tariff.kindSchema,
  model: Wire.modelName,
  providerId: Wire.providerId.exactOptional(),
  input: z.custom<JsonObject>(isJsonObject, "expected an object"),
});

/** How long a caller may take to read the last event of a stream that was broken off. */
const LAST_EVENT_MS = 5_000;

type Reader = (body: JsonObject, byteCount: number, request: FastifyRequest) => WantedCall;

/** Every route that spends goes through `handle`: one gate, whatever the shape of the body. */
export function addCallRoutes(
  app: FastifyInstance,
  deps: Deps,
  limitJob: (request: FastifyRequest, reply: FastifyReply, jobId: string) => Promise<void>,
): void {
  const openAi =
    (kind: Tariff.Kind): Reader =>
    (body, byteCount, request) =>
      readWanted(kind, body.model, body, byteCount, providerOf(request));

  const execute: Reader = (body, byteCount) => {
    const { kind, model, providerId, input } = Wire.parse(executeSchema, body);
    return readWanted(
      kind,
      model,
      { ...input, ...(kind === "http" ? {} : { model }) },
      byteCount,
      providerId ?? null,
    );
  };

  const handle = (read: Reader) => async (request: FastifyRequest, reply: FastifyReply) => {
    const interruption = interruptionOf(reply);
    const caller = await deps.authenticator.authenticate(request, "spend");
    await limitJob(request, reply, caller.job.jobId);
    const bytes = bodyBytes(request.body);
    const body = parseJsonObject(bytes);
    const wanted = read(body, longestBytes(bytes, body), request);
    const idempotencyKey = idempotencyKeyOf(request);
    const answer = await deps.calls.run({
      caller,
      wanted,
      bodyBytes: bytes,
      idempotencyKey,
      interruption,
    });
    return send(reply, answer);
  };

  app.post("/v1/chat/completions", handle(openAi("chat")));
  app.post("/v1/embeddings", handle(openAi("embeddings")));
  app.post("/v1/execute", handle(execute));

  app.get("/v1/models", async () => ({
    object: "list",
    data: (await deps.tariffs.newest()).flatMap((tariff) =>
      tariff.models
        .filter(() => deps.providers.find(tariff.providerId) !== null)
        .map(({ model }) => ({
          id: model,
          object: "model",
          created: Math.floor(tariff.effectiveFromMs / 1000),
          owned_by: `provider-${tariff.providerId}`,
        })),
    ),
  }));
}

function send(reply: FastifyReply, answer: CallAnswer): FastifyReply {
  switch (answer.kind) {
    case "whole":
      return reply.code(answer.status).headers(answer.headers).send(answer.body);
    case "replayed":
      return reply
        .code(answer.status)
        .headers({ ...answer.headers, "x-idempotent-replay": "true" })
        .send(answer.body);
    case "stream": {
      // One event in flight: what the caller's side has not taken is not pulled from the provider either.
      const events = Readable.from(answer.events, { objectMode: true, highWaterMark: 1 });
      // A charge that fails after the caller hung up has nobody left to hear of it; recovery ends that call.
      events.on("error", (error) => reply.log.error({ err: error }, "a stream did not end cleanly"));
      endUnread(events, answer.brokenOff);
      return reply.code(answer.status).headers(answer.headers).send(events);
    }
  }
}

/** Aborts when the caller hangs up, also when that was before anybody looked. */
function interruptionOf(reply: FastifyReply): Interruption {
  const interruption = new Interruption();
  const onClose = (): void => {
    if (!reply.raw.writableFinished) interruption.abort();
  };
  if (reply.raw.destroyed) onClose();
  else reply.raw.once("close", onClose);
  return interruption;
}

/** A caller who reads nothing more cannot keep a call open beyond its end. */
function endUnread(events: Readable, brokenOff: Interruption): void {
  const end = (): void => {
    setTimeout(() => events.destroy(), LAST_EVENT_MS).unref();
  };
  if (brokenOff.aborted) end();
  else brokenOff.once("abort", end);
}

/** OpenAI bodies have no place for a provider, so a caller who cares names it in the header. */
function providerOf(request: FastifyRequest): number | null {
  const header = request.headers[Header.provider];
  if (header === undefined) return null;
  if (typeof header !== "string" || !/^[1-9][0-9]{0,9}$/.test(header)) {
    throw Errors.fromCode("invalid_request", { param: Header.provider });
  }
  return Number(header);
}
