import { type AstNode, walk } from "./AstNode.ts";
import { describe, type Mutant } from "./Mutant.ts";
import { solidityMutations } from "./solidityMutations.ts";
import { yulMutations } from "./yulMutations.ts";

/**
 * Every mutant of one source file, in the order of the source. Immutable and constant declarations count, type
 * declarations and documentation do not.
 */
export const mutantsOf = (file: string, source: Buffer, ast: AstNode): Mutant[] => {
  const mutants = new Map<string, Mutant>();
  walk(ast, (node, ancestors) => {
    const mutations = node.nodeType.startsWith("Yul")
      ? yulMutations(node)
      : solidityMutations(node, ancestors, source);
    for (const mutation of mutations) {
      const mutant = describe(file, source, mutation);
      mutants.set(mutant.id, mutant);
    }
  });
  return [...mutants.values()].sort((left, right) => left.start - right.start);
};
