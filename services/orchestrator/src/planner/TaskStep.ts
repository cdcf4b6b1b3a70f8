import { Nano, ProtocolError, Wire } from "@tac/protocol";
import { z } from "zod";

const MAX_TEXT_CHARACTERS = 200_000;

const stepSchema = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  kind: z.enum(["chat", "embeddings"]),
  /** Prompt, or text to embed; `{{id}}` stands for the answer of an earlier chat step. */
  text: z.string().min(1).max(MAX_TEXT_CHARACTERS),
  /** Absent: the cheapest model the policy allows. */
  model: Wire.modelName.exactOptional(),
  providerId: Wire.providerId.exactOptional(),
  maxOutputTokens: z.int().min(1).max(1_000_000).exactOptional(),
});

export type TaskStep = z.output<typeof stepSchema>;

/** A task: a goal that the planner turns into steps, or the steps themselves. */
export const taskRequestSchema = z.union([
  z.strictObject({ goal: z.string().min(1).max(MAX_TEXT_CHARACTERS), maxSpendNano: Nano.schema }),
  z.strictObject({ steps: z.array(stepSchema).min(1).max(64), maxSpendNano: Nano.schema }),
]);

export type TaskRequest = z.output<typeof taskRequestSchema>;

const REFERENCE = /\{\{([A-Za-z0-9_-]{1,64})\}\}/g;

/** A goal is answered by a chat step, and the answer is embedded so that it can be found again. */
export function toSteps(request: TaskRequest): TaskStep[] {
  if ("steps" in request) {
    checkReferences(request.steps);
    return request.steps;
  }
  return [
    { id: "answer", kind: "chat", text: escapeReferences(request.goal) },
    { id: "embedding", kind: "embeddings", text: "{{answer}}" },
  ];
}

/** Ids of the steps whose answers a step needs, once for each time it names them. */
export function referencesOf(step: TaskStep): string[] {
  return [...step.text.matchAll(REFERENCE)].flatMap((match) => match[1] ?? []);
}

/** The step's text with each reference replaced; what is put in is not searched for references again. */
export function fillIn(step: TaskStep, answerOf: (stepId: string) => string): string {
  return step.text.replaceAll(REFERENCE, (_match, stepId: string) => answerOf(stepId));
}

/** A goal is text by a user; braces in it mean nothing. */
function escapeReferences(goal: string): string {
  return goal.replaceAll("{{", "{ {");
}

function checkReferences(steps: readonly TaskStep[]): void {
  const chatsBefore = new Set<string>();
  const seen = new Set<string>();
  for (const step of steps) {
    const dangling = referencesOf(step).find((stepId) => !chatsBefore.has(stepId));
    if (seen.has(step.id) || dangling !== undefined) {
      throw new ProtocolError("invalid_request", {
        detail:
          dangling === undefined
            ? `The step id ${step.id} repeats.`
            : `Step ${step.id} refers to ${dangling}, which is no chat step before it.`,
        param: step.id,
      });
    }
    seen.add(step.id);
    if (step.kind === "chat") chatsBefore.add(step.id);
  }
}
