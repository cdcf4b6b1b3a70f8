import { UsageReport } from "@tac/protocol";
import type { Behaviour } from "./controls.ts";
import type { Answer } from "./generate.ts";
import { pause } from "./pause.ts";
import type { Reporter } from "./reporter.ts";
import { type ChatUsage, usageJson } from "./usage.ts";

/**
 * An OpenAI chat stream: a role chunk, one chunk per token, a finish chunk per choice, the usage chunk when asked for,
 * then `[DONE]`. The signed report travels as a comment line right before `[DONE]`, because a reader may stop there.
 * When the client goes away half-way, what was delivered by then is what is reported.
 */
export const chatStream = async function* ({
  envelope,
  answers,
  behaviour,
  includeUsage,
  usageOf,
  report,
  reporter,
}: {
  envelope: object;
  answers: readonly Answer[];
  behaviour: Behaviour;
  includeUsage: boolean;
  usageOf: (completionTokens: number) => ChatUsage;
  report: (completionTokens: number) => UsageReport.SignedUsageReport | undefined;
  reporter: Reporter;
}): AsyncGenerator<string> {
  const event = (fields: object): string =>
    `data: ${JSON.stringify({ ...envelope, object: "chat.completion.chunk", ...fields, ...(includeUsage && !("usage" in fields) ? { usage: null } : {}) })}\n\n`;
  const choice = (index: number, delta: object, finishReason: string | null = null): string =>
    event({ choices: [{ index, delta, logprobs: null, finish_reason: finishReason }] });

  let delivered = 0;
  let isComplete = false;
  try {
    for (const [index, { tokens, finishReason }] of answers.entries()) {
      yield choice(index, { role: "assistant", content: "" });
      for (const token of tokens) {
        if (delivered === behaviour.cutAfterTokens)
          throw new Error("The simulator was told to break the stream");
        await pause(behaviour.tokenLatencyMs);
        yield choice(index, { content: token });
        delivered += 1;
      }
      yield choice(index, {}, finishReason);
    }
    if (includeUsage) yield event({ choices: [], usage: usageJson(usageOf(delivered)) });
    isComplete = true;
    const signed = report(delivered);
    if (signed !== undefined) {
      if (reporter.mode === "inline") yield `: x-usage-report ${UsageReport.toHeader(signed)}\n\n`;
      await reporter.emit(signed);
    }
    yield "data: [DONE]\n\n";
  } finally {
    const partial = isComplete ? undefined : report(delivered);
    if (partial !== undefined) await reporter.emit(partial);
  }
};
