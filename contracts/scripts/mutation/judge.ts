import { apply, type Mutant } from "./Mutant.ts";
import { testsOf } from "./testsOf.ts";
import * as Workspaces from "./Workspace.ts";

export type Verdict = "killed" | "survived" | "invalid" | "equivalent";

/** A test run that takes this long has met a mutant that does not end, which counts as noticed. */
const TEST_SECONDS = 120;
const BUILD_SECONDS = 300;

/**
 * Compiles one mutant and runs the tests that should notice it, then, if none did, all of them. A mutant whose creation
 * code is the original's, in every contract and every test, cannot be told from it and is equivalent.
 */
export const judge = async (
  workspace: Workspaces.Workspace,
  mutant: Mutant,
  baseline: Workspaces.Compiled,
): Promise<{ verdict: Verdict; noticedBy: string }> => {
  const original = Workspaces.readSource(workspace, mutant.file);
  Workspaces.writeSource(workspace, mutant.file, apply(original, mutant));
  try {
    const build = await Workspaces.run(workspace, ["build"], BUILD_SECONDS);
    if (build.outcome !== "passed") return { verdict: "invalid", noticedBy: "" };
    const code = Workspaces.compiled(workspace, baseline);
    if (Workspaces.isSameCode(code, baseline)) return { verdict: "equivalent", noticedBy: "" };
    for (const scope of [["--match-path", testsOf(mutant.file)], []]) {
      const args = ["test", "--fail-fast", ...scope];
      const { outcome, output } = await Workspaces.run(workspace, args, TEST_SECONDS);
      if (outcome === "passed") continue;
      const test = /\[FAIL[^\n]*\] (\w+)\(/.exec(output)?.[1];
      return { verdict: "killed", noticedBy: outcome === "timeout" ? "time limit" : (test ?? "setUp") };
    }
    return { verdict: "survived", noticedBy: "" };
  } finally {
    Workspaces.writeSource(workspace, mutant.file, original);
  }
};
