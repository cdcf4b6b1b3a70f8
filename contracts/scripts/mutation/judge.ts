import { firstFailure } from "./firstFailure.ts";
import { apply, type Mutant } from "./Mutant.ts";
import { testFoldersOf, testsOf } from "./testsOf.ts";
import * as Workspaces from "./Workspace.ts";

export type Verdict = "killed" | "survived" | "invalid" | "equivalent";
export type Scope = "own" | "all";
export type Judgement = { verdict: Verdict; noticedBy: string };

/** A test run that takes this long has met a mutant that does not end, which counts as noticed. */
const TEST_SECONDS = 120;
const BUILD_SECONDS = 300;

/** Runs tests with a mutant in the workspace: those of its source file alone, or all. */
const test = async (
  workspace: Workspaces.Workspace,
  mutant: Mutant,
  scope: Scope,
  args: readonly string[],
): Promise<Judgement> => {
  const filter = scope === "own" ? ["--match-path", testsOf(mutant.file)] : [];
  const command = ["test", "--fail-fast", ...args, ...filter];
  const { outcome, output } = await Workspaces.run(workspace, command, TEST_SECONDS);
  if (outcome === "passed") return { verdict: "survived", noticedBy: "" };
  if (outcome === "timeout") return { verdict: "killed", noticedBy: "time limit" };
  const noticedBy = firstFailure(output);
  if (noticedBy === null) throw new Error(`forge failed without a failing test:\n${output}`);
  return { verdict: "killed", noticedBy };
};

/** Judges a mutant that is compiled already, by its number. */
export const judgeSwitched = (
  schema: Workspaces.Workspace,
  mutant: Mutant,
  scope: Scope,
  number: number,
): Promise<Judgement> =>
  test(schema, mutant, scope, ["--block-prevrandao", `0x${number.toString(16).padStart(64, "0")}`]);

/**
 * Compiles one mutant alone, and judges it unless it is known to have survived: first with what its own tests need, which
 * is a part of the project, then with everything. A mutant whose creation code is the original's, in every contract and
 * every test, cannot be told from it and is equivalent.
 */
export const judgeAlone = async (
  plain: Workspaces.Workspace,
  mutant: Mutant,
  originalDigest: string,
  isKnownSurvivor: boolean,
): Promise<Judgement> => {
  const original = Workspaces.readSource(plain, mutant.file);
  Workspaces.writeSource(plain, mutant.file, apply(original, mutant));
  const compiles = async (paths: readonly string[]): Promise<boolean> =>
    (await Workspaces.run(plain, ["build", ...paths], BUILD_SECONDS)).outcome === "passed";
  try {
    if (!isKnownSurvivor) {
      if (!(await compiles(testFoldersOf(mutant.file)))) return { verdict: "invalid", noticedBy: "" };
      const own = await test(plain, mutant, "own", []);
      if (own.verdict === "killed") return own;
    }
    if (!(await compiles([]))) return { verdict: "invalid", noticedBy: "" };
    if (Workspaces.codeDigest(plain) === originalDigest) return { verdict: "equivalent", noticedBy: "" };
    return isKnownSurvivor ? { verdict: "survived", noticedBy: "" } : await test(plain, mutant, "all", []);
  } finally {
    Workspaces.writeSource(plain, mutant.file, original);
  }
};
