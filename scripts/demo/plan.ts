import type { Plan } from "@tac/protocol";
import { type StepInputs, textOf } from "@tac/sdk";

/** Two steps: a chat answer, and then its embedding. The gateway learns these sizes, never the texts below. */
export const plan: Plan.Plan = {
  steps: [
    {
      id: "answer",
      kind: "chat",
      model: "sim-chat-small",
      maxInputTokens: 2_000n,
      maxOutputTokens: 400n,
      maxCalls: 1,
    },
    {
      id: "embed",
      kind: "embeddings",
      model: "sim-embed",
      maxInputTokens: 8_000n,
      maxOutputTokens: 0n,
      maxCalls: 1,
    },
  ],
};

export const inputs: StepInputs = {
  answer: {
    stream: true,
    max_tokens: 120,
    messages: [
      { role: "system", content: "You explain accounting in plain words." },
      { role: "user", content: "Why should prepaid API credit be provable, and to whom does that matter?" },
    ],
  },
  embed: (results) => ({ input: textOf(results, "answer") }),
};
