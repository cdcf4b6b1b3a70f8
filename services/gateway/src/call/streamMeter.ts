import { createParser } from "eventsource-parser";
import { greatest } from "./bigints.ts";
import { isJsonObject, type JsonObject } from "./json.ts";
import { estimateTokens, readUsage, type TokenCounts, textBytes } from "./units.ts";

/** What to do with one event of a provider's stream. */
export type BlockVerdict = {
  deliver: boolean;
  isEnd: boolean;
  report: string | null;
  /** False for comments, which providers send to keep the line open. */
  carriesData: boolean;
};

const REPORT_COMMENT = "x-usage-report ";

/**
 * Counts a chat stream as it flows. Counting rule: the provider's usage chunk decides when it came; until then
 * input counts as ceil(bytes of the body / 4) and output as ceil(bytes of delivered text / 4), but no fewer tokens
 * than delivered events with text would be denied: each such event is at least one token.
 */
export class StreamMeter {
  readonly #inputBytes: bigint;
  readonly #wantsUsage: boolean;
  #deliveredTextBytes = 0n;
  #deliveredTextEvents = 0n;
  #usage: TokenCounts | null = null;

  constructor(inputBytes: bigint, wantsUsage: boolean) {
    this.#inputBytes = inputBytes;
    this.#wantsUsage = wantsUsage;
  }

  /** Reads one event before it is delivered; `delivered` must follow when it was. */
  read(block: Buffer): BlockVerdict & { textBytes: bigint } {
    let report: string | null = null;
    let isEnd = false;
    let carriesData = false;
    let isUsageOnly = false;
    let text = 0n;
    const parser = createParser({
      onComment: (comment) => {
        if (comment.startsWith(REPORT_COMMENT)) report = comment.slice(REPORT_COMMENT.length).trim();
      },
      onEvent: ({ data: payload }) => {
        carriesData = true;
        if (payload === "[DONE]") {
          isEnd = true;
          return;
        }
        const chunk = parseChunk(payload);
        if (chunk === null) return;
        this.#usage = readUsage("chat", chunk) ?? this.#usage;
        const choices = Array.isArray(chunk.choices) ? (chunk.choices as unknown[]) : [];
        isUsageOnly = choices.length === 0 && isJsonObject(chunk.usage);
        for (const choice of choices) if (isJsonObject(choice)) text += textBytes(choice.delta);
      },
    });
    parser.feed(block.toString("utf8"));
    const isReportOnly = report !== null && !carriesData;
    const isUnwantedUsage = isUsageOnly && !this.#wantsUsage;
    return { deliver: !isReportOnly && !isUnwantedUsage, isEnd, report, carriesData, textBytes: text };
  }

  delivered(text: bigint): void {
    if (text === 0n) return;
    this.#deliveredTextBytes += text;
    this.#deliveredTextEvents += 1n;
  }

  /** Tokens certainly delivered so far: an event with text is at least one token. */
  leastOutputTokens(): bigint {
    return this.#deliveredTextEvents;
  }

  /** The provider's own count, once it sent one. */
  reportedOutputTokens(): bigint | null {
    return this.#usage?.outputTokens ?? null;
  }

  tokens(): TokenCounts {
    if (this.#usage !== null) return this.#usage;
    return {
      inputTokens: estimateTokens(this.#inputBytes),
      cachedInputTokens: 0n,
      outputTokens: greatest(estimateTokens(this.#deliveredTextBytes), this.#deliveredTextEvents),
    };
  }
}

function parseChunk(payload: string): JsonObject | null {
  try {
    const chunk: unknown = JSON.parse(payload);
    return isJsonObject(chunk) ? chunk : null;
  } catch {
    // A line that is no JSON is delivered as it came; it carries nothing that can be counted.
    return null;
  }
}
