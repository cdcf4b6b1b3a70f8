import { describe, expect, test } from "vitest";
import { everyAttack } from "../attacks/everyAttack.ts";
import { runAttacks } from "../attacks/runAttacks.ts";
import type { StackOf } from "./support.ts";

export const isAttacked = (stackOf: StackOf): void => {
  describe("a thief with tokens, proofs and connections", () => {
    test("is refused every time, reaches no provider, and leaves no hold and no secret in a log", async () => {
      const verdicts = await runAttacks(stackOf(), everyAttack, () => undefined);
      expect(verdicts.length).toBeGreaterThan(90);
      expect(verdicts.filter(({ problems }) => problems.length > 0)).toEqual([]);
    });
  });
};
