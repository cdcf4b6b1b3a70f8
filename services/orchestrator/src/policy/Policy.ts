import { Nano, ProtocolError, Tariff, Wire } from "@tac/protocol";
import { z } from "zod";

/** What tasks may do, written by the operator as JSON (POLICY_FILE). Every member has a default. */
export const policySchema = z.strictObject({
  kinds: z.array(Tariff.kindSchema).default(["chat", "embeddings"]),
  /** Absent: any model. */
  models: z.array(Wire.modelName).optional(),
  /** Absent: any provider. */
  providers: z.array(Wire.providerId).optional(),
  maxSteps: z.int().min(1).max(64).default(16),
  /** Tokens of one chat answer, when a step asks for none. */
  defaultOutputTokens: z.int().min(1).default(512),
  maxOutputTokens: z.int().min(1).default(4096),
  /** Size of one answer as JSON text, in UTF-8 bytes. */
  maxOutputBytes: z.int().min(1).default(32_768),
  /** An answer that holds one of these, in whatever case, is withheld. */
  deniedOutputs: z.array(z.string().min(1)).default([]),
  /** Country (ISO 3166-1 alpha-2) of phone numbers written without a country code. */
  phoneCountry: z
    .string()
    .regex(/^[A-Z]{2}$/)
    .default("US"),
  maxSpendNanoPerTask: Nano.schema.default(Nano.NANO_PER_CREDIT),
  /** Per tenant and UTC day. */
  maxSpendNanoPerDay: Nano.schema.default(10n * Nano.NANO_PER_CREDIT),
});

export type Policy = z.output<typeof policySchema>;

export const defaultPolicy: Policy = policySchema.parse({});

export type Offer = { kind: Tariff.Kind; model: string; providerId: number };

export function allows(policy: Policy, { kind, model, providerId }: Offer): boolean {
  return (
    policy.kinds.includes(kind) &&
    (policy.models?.includes(model) ?? true) &&
    (policy.providers?.includes(providerId) ?? true)
  );
}

export type Wish = {
  id: string;
  kind: Tariff.Kind;
  model?: string;
  providerId?: number;
  maxOutputTokens?: number;
};

/** Refuses what a request asks for by name; throws `policy_refused`, `model_not_allowed`, `provider_not_allowed`. */
export function checkWishes(policy: Policy, wishes: readonly Wish[]): void {
  if (wishes.length > policy.maxSteps) {
    throw new ProtocolError("policy_refused", {
      detail: `A task has at most ${policy.maxSteps} steps.`,
      param: "steps",
    });
  }
  for (const { id, kind, model, providerId, maxOutputTokens } of wishes) {
    if (!policy.kinds.includes(kind)) {
      throw new ProtocolError("policy_refused", {
        detail: `Steps of kind ${kind} are not allowed.`,
        param: id,
      });
    }
    if (model !== undefined && policy.models?.includes(model) === false) {
      throw new ProtocolError("model_not_allowed", {
        detail: `The policy does not list ${model}.`,
        param: id,
      });
    }
    if (providerId !== undefined && policy.providers?.includes(providerId) === false) {
      throw new ProtocolError("provider_not_allowed", {
        detail: `The policy does not list provider ${providerId}.`,
        param: id,
      });
    }
    if (maxOutputTokens !== undefined && maxOutputTokens > policy.maxOutputTokens) {
      throw new ProtocolError("policy_refused", {
        detail: `An answer has at most ${policy.maxOutputTokens} tokens.`,
        param: id,
      });
    }
  }
}
