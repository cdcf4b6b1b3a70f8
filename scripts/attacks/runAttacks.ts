import type { Stack } from "../stack/Stack.ts";
import type { Attack, AttackGroup, Outcome } from "./Attack.ts";
import { openScene, type Scene } from "./Scene.ts";
import { findSecrets } from "./secrets.ts";
import { readTraces, type Traces } from "./Traces.ts";

export type Verdict = {
  group: string;
  attack: string;
  outcome: Outcome;
  expected: Outcome;
  /** What went wrong; empty when the attack was refused as it should be and left nothing behind. */
  problems: string[];
};

const describeOutcome = ({ status, code }: Outcome): string => `${status}${code === "" ? "" : ` ${code}`}`;

const judge = (
  { expected, isPaid, isAtProvider }: Attack,
  outcome: Outcome,
  before: Traces,
  after: Traces,
): string[] => {
  const problems: string[] = [];
  if (outcome.status !== expected.status || (expected.code !== "" && outcome.code !== expected.code)) {
    problems.push(`answered ${describeOutcome(outcome)} instead of ${describeOutcome(expected)}`);
  }
  if (after.heldNano !== "0") problems.push(`left ${after.heldNano} nanocredits held`);
  if (isPaid) return problems;
  if (before.calls !== after.calls) problems.push("left a call behind");
  if (before.served !== after.served) problems.push("was served by a provider");
  if (!isAtProvider && before.forwarded !== after.forwarded) problems.push("reached a provider");
  return problems;
};

const runOne = async (scene: Scene, group: string, attack: Attack): Promise<Verdict> => {
  const before = await readTraces(scene.stack);
  const outcome = await attack.run(scene);
  const problems = judge(attack, outcome, before, await readTraces(scene.stack));
  const { status, code } = outcome;
  return { group, attack: attack.name, outcome: { status, code }, expected: attack.expected, problems };
};

/**
 * Runs every attack against a running stack, one after the other, and then looks for secrets in what the services
 * logged meanwhile. `onVerdict` hears of each as it ends.
 */
export const runAttacks = async (
  stack: Stack,
  groups: readonly AttackGroup[],
  onVerdict: (verdict: Verdict) => void,
): Promise<Verdict[]> => {
  const scene = await openScene(stack);
  const verdicts: Verdict[] = [];
  const add = (verdict: Verdict): void => {
    verdicts.push(verdict);
    onVerdict(verdict);
  };
  try {
    for (const group of groups) {
      for (const attack of group.attacks) add(await runOne(scene, group.name, attack));
    }
    for (const verdict of await findSecrets(scene)) add(verdict);
  } finally {
    await scene.close();
  }
  return verdicts;
};
