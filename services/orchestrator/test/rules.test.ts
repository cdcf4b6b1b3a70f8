import { Pricing, type Tariff } from "@tac/protocol";
import { testModels, toTariffs } from "@tac/sdk/testing";
import { describe, expect, it } from "vitest";
import { type AuditRecord, firstBroken, hashRecord, NO_RECORD } from "../src/audit/AuditRecord.ts";
import { planTask } from "../src/planner/planTask.ts";
import { fillIn, type TaskStep, toSteps } from "../src/planner/TaskStep.ts";
import { checkWishes, defaultPolicy, policySchema } from "../src/policy/Policy.ts";
import { checkOutput } from "../src/safety/checkOutput.ts";

const tariffs: Tariff.Tariff[] = toTariffs([
  ...testModels,
  { providerId: 3, model: "chat-small", kind: "chat", inputTokensNano: 1n, outputTokensNano: 1n },
]);
const chat: TaskStep = { id: "a", kind: "chat", text: "hello" };
const maxSpendNano = 1n;

describe("planner", () => {
  it("takes the provider and model with the lowest ceiling", () => {
    const { choices, ceilingNano } = planTask([chat], tariffs, defaultPolicy);
    expect(choices).toMatchObject([{ providerId: 3, model: "chat-small", candidateCount: 3 }]);
    expect(ceilingNano).toBe(choices[0]?.ceilingNano);
  });

  it("obeys the policy and the step's own wishes", () => {
    const policy = policySchema.parse({ providers: [1, 2] });
    expect(planTask([chat], tariffs, policy).choices).toMatchObject([{ providerId: 1 }]);
    const large: TaskStep = { ...chat, model: "chat-large" };
    expect(planTask([large], tariffs, policy).choices).toMatchObject([{ providerId: 2, candidateCount: 1 }]);
    const barred = policySchema.parse({ models: ["embed-small"] });
    expect(() => planTask([chat], tariffs, barred)).toThrow(/No provider on offer/);
  });

  it("bounds the input by the bytes of the body, with earlier answers at their largest", () => {
    const second: TaskStep = { id: "b", kind: "embeddings", text: "{{a}}{{a}}" };
    const { plan } = planTask([chat, second], tariffs, defaultPolicy);
    const [, step] = plan.steps;
    expect(step?.maxInputTokens).toBeGreaterThanOrEqual(BigInt(2 * defaultPolicy.maxOutputBytes));
    const prices = tariffs[0]?.models[0]?.prices;
    expect(prices && Pricing.costNano(Pricing.ZERO_UNITS, prices)).toBe(0n);
  });
});

describe("steps", () => {
  it("makes a chat and an embedding of a goal, whose braces mean nothing", () => {
    const steps = toSteps({ goal: "say {{answer}}", maxSpendNano });
    expect(steps.map(({ kind }) => kind)).toEqual(["chat", "embeddings"]);
    expect(steps[0] && fillIn(steps[0], () => "LEAK")).toBe("say { {answer}}");
  });

  it("does not look for references in what it fills in", () => {
    const step: TaskStep = { id: "b", kind: "chat", text: "x {{a}} y" };
    expect(fillIn(step, () => "{{a}} $& $1")).toBe("x {{a}} $& $1 y");
  });

  it.each([
    [[{ ...chat, text: "{{a}}" }], "itself"],
    [
      [
        { ...chat, text: "{{b}}" },
        { ...chat, id: "b" },
      ],
      "a later step",
    ],
    [[chat, chat], "a repeated id"],
    [
      [
        { ...chat, kind: "embeddings" as const },
        { id: "b", kind: "chat" as const, text: "{{a}}" },
      ],
      "an embedding",
    ],
  ])("refuses references to what is not there: %#", (steps, _name) => {
    expect(() => toSteps({ steps, maxSpendNano })).toThrow(/refers to|repeats/);
  });
});

describe("policy", () => {
  const policy = policySchema.parse({
    kinds: ["chat"],
    models: ["chat-small"],
    providers: [1],
    maxSteps: 2,
    maxOutputTokens: 100,
  });
  it.each([
    [{ id: "a", kind: "embeddings" as const }, "policy_refused"],
    [{ id: "a", kind: "chat" as const, model: "chat-large" }, "model_not_allowed"],
    [{ id: "a", kind: "chat" as const, providerId: 2 }, "provider_not_allowed"],
    [{ id: "a", kind: "chat" as const, maxOutputTokens: 101 }, "policy_refused"],
  ])("refuses %o", (wish, code) => {
    expect(() => checkWishes(policy, [wish])).toThrow(expect.objectContaining({ code }));
  });
  it("lets the rest pass, but not too many steps", () => {
    const wish = { id: "a", kind: "chat" as const, model: "chat-small", providerId: 1 };
    expect(() => checkWishes(policy, [wish, wish])).not.toThrow();
    expect(() => checkWishes(policy, [wish, wish, wish])).toThrow(/at most 2/);
  });
  it("refuses a misspelt member of its own file", () => {
    expect(policySchema.safeParse({ model: ["chat-small"] }).success).toBe(false);
  });
});

describe("output check", () => {
  const rules = { maxOutputBytes: 40, deniedOutputs: ["Internal Use Only"] };
  it("withholds what is denied in whatever case or width, without repeating it", () => {
    const shout = () => checkOutput("see: ＩＮＴＥＲＮＡＬ use ONLY", "a", { ...rules, maxOutputBytes: 400 });
    expect(shout).toThrow(/breaks rule 1/);
    expect(shout).not.toThrow(/use ONLY/i);
  });
  it("limits the size as the next call will count it", () => {
    expect(() => checkOutput("x".repeat(38), "a", rules)).not.toThrow();
    expect(() => checkOutput("x".repeat(39), "a", rules)).toThrow(/41 bytes/);
    expect(() => checkOutput('"'.repeat(20), "a", rules)).toThrow(/42 bytes/);
  });
});

describe("audit trail", () => {
  function trail(): AuditRecord[] {
    const records: AuditRecord[] = [];
    for (const kind of ["received", "planned", "locked"] as const) {
      const previousHash = records.at(-1)?.hash ?? NO_RECORD;
      const unhashed = {
        taskId: "t",
        seq: records.length + 1,
        kind,
        body: { kind },
        recordedAtMs: 1,
        previousHash,
      };
      records.push({ ...unhashed, hash: hashRecord(unhashed) });
    }
    return records;
  }
  it("holds together", () => expect(firstBroken(trail())).toBeNull());
  it("shows a changed, a missing and a re-hashed record", () => {
    const changed = trail().map((record) => (record.seq === 2 ? { ...record, body: { kind: "x" } } : record));
    expect(firstBroken(changed)).toBe(2);
    expect(firstBroken(trail().filter(({ seq }) => seq !== 2))).toBe(2);
    const rehashed = changed.map((record) =>
      record.seq === 2 ? { ...record, hash: hashRecord(record) } : record,
    );
    expect(firstBroken(rehashed)).toBe(3);
  });
});
