import type { Readable } from "node:stream";
import { ProtocolError } from "@tac/protocol";
import { createParser } from "eventsource-parser";
import { z } from "zod";
import { toConnectionError } from "../call/createGatewayCaller.ts";
import { decodeStreamError } from "../call/decodeError.ts";

const chunkSchema = z.object({
  choices: z.array(
    z.object({
      delta: z.object({ content: z.string().nullish() }).nullish(),
      finish_reason: z.string().nullish(),
    }),
  ),
});

/** What has been read so far. */
export type StreamEnd = { text: string; finishReason: string | null };

/**
 * Reads the server-sent events of a streamed chat completion: yields each piece of text and gathers all of it
 * in `end`. Throws the error a server put into the stream, and `provider_error` when it ends before its last event.
 */
export async function* readStream(
  stream: Readable,
  end: StreamEnd,
  signal: AbortSignal | undefined,
): AsyncGenerator<string, void> {
  const pending: string[] = [];
  let isDone = false;
  const parser = createParser({
    onEvent({ data: payload }) {
      if (payload === "[DONE]") isDone = true;
      else pending.push(payload);
    },
  });
  const decoder = new TextDecoder();
  const chunks: AsyncIterator<Buffer> = stream[Symbol.asyncIterator]();
  try {
    for (;;) {
      const chunk = await next(chunks, signal);
      if (chunk === undefined) break;
      parser.feed(decoder.decode(chunk, { stream: true }));
      for (const payload of pending.splice(0)) {
        const text = readChunk(payload, end);
        if (text !== "") yield text;
      }
    }
  } finally {
    // A consumer that stops early hangs up, so that it pays for what was delivered and no more.
    stream.destroy();
  }
  if (!isDone && end.finishReason === null) {
    throw new ProtocolError("provider_error", { detail: "The stream ended before the answer did." });
  }
}

async function next(
  chunks: AsyncIterator<Buffer>,
  signal: AbortSignal | undefined,
): Promise<Buffer | undefined> {
  try {
    const { done, value } = await chunks.next();
    return done === true ? undefined : value;
  } catch (cause) {
    throw toConnectionError(cause, signal);
  }
}

function readChunk(payload: string, end: StreamEnd): string {
  const json = parseChunk(payload);
  const error = decodeStreamError(json);
  if (error) throw error;
  const parsed = chunkSchema.safeParse(json);
  if (!parsed.success) {
    throw new ProtocolError("provider_error", {
      detail: "An event of the stream is no completion chunk.",
      cause: parsed.error,
    });
  }
  const choice = parsed.data.choices[0];
  const text = choice?.delta?.content ?? "";
  end.text += text;
  end.finishReason = choice?.finish_reason ?? end.finishReason;
  return text;
}

function parseChunk(payload: string): unknown {
  try {
    return JSON.parse(payload);
  } catch (cause) {
    throw new ProtocolError("provider_error", { detail: "An event of the stream is not JSON.", cause });
  }
}
