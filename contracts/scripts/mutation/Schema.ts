import type { AstNode } from "./AstNode.ts";
import type { Mutant } from "./Mutant.ts";
import { type Numbered, numberBefore, switched } from "./switches.ts";
import * as Workspaces from "./Workspace.ts";

/** The first place in each file that the compiler complains of; a choice further down may be wrong because of it. */
const complaints = (output: string): Map<string, { line: number; column: number }> => {
  const places = new Map<string, { line: number; column: number }>();
  for (const [, file = "", line, column] of output.matchAll(
    /^Error[^\n]*\n\s*--> ([^\s:]+):(\d+):(\d+):/gm,
  )) {
    if (!places.has(file)) places.set(file, { line: Number(line), column: Number(column) });
  }
  return places;
};

/**
 * Writes every mutant that can be chosen at run time into the workspace's sources, and compiles them. A mutant that does
 * not compile is taken out again. Returns the number of each that is in.
 */
export const build = async (
  workspace: Workspaces.Workspace,
  trees: ReadonlyMap<string, AstNode>,
  mutants: readonly Mutant[],
): Promise<Map<string, number>> => {
  const originals = new Map([...trees.keys()].map((file) => [file, Workspaces.readSource(workspace, file)]));
  // Zero stands for the original.
  const kept = new Map<string, Numbered>(
    mutants.map((mutant, index) => [mutant.id, { mutant, number: index + 1 }]),
  );
  for (;;) {
    const written = new Map<string, string>();
    const numbers = new Map<string, number>();
    for (const [file, tree] of trees) {
      const source = originals.get(file);
      if (source === undefined) throw new Error(`No source of ${file}.`);
      const own = [...kept.values()].filter(({ mutant }) => mutant.file === file);
      const { code, included } = switched(source, tree, own);
      written.set(file, code);
      for (const { mutant, number } of included) numbers.set(mutant.id, number);
      Workspaces.writeSource(workspace, file, code);
    }
    const { outcome, output } = await Workspaces.run(workspace, ["build"], 900);
    if (outcome === "passed") return numbers;

    let dropped = 0;
    for (const [file, place] of complaints(output)) {
      const number = numberBefore(written.get(file) ?? "", place);
      for (const [id, numbered] of kept) {
        if (numbered.number === number && kept.delete(id)) dropped += 1;
      }
    }
    if (dropped === 0) throw new Error(`The sources do not compile with their mutants:\n${output}`);
  }
};
