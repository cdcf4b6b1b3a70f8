import { type AstNode, type Span, spanOf, text, walk } from "./AstNode.ts";
import type { Mutant, Mutation } from "./Mutant.ts";

export type ConstantEdits = {
  declaration: Span;
  /** What makes of the declaration that of a second constant, with the mutant's value and a name of its own. */
  copy: Mutation[];
  /** Every place where the first is read, and the name of the second. */
  uses: Mutation[];
};

const nameSpan = (declaration: AstNode): Span =>
  spanOf({ ...declaration, src: text(declaration, "nameLocation") });

/**
 * A constant has no value that could be chosen at run time, but each place that reads it can choose between two constants.
 * Null for a mutant of anything else, and of a constant that other files may read.
 */
export const constantEdits = (root: AstNode, mutant: Mutant, number: number): ConstantEdits | null => {
  const declarations: AstNode[] = [];
  walk(root, (node) => {
    const { start, end } = spanOf(node);
    const isAround = start <= mutant.start && mutant.end <= end;
    const isPrivate = node.constant === true && node.visibility === "private";
    if (node.nodeType === "VariableDeclaration" && isAround && isPrivate) declarations.push(node);
  });
  const [declaration] = declarations;
  if (declaration === undefined) return null;

  const name = text(declaration, "name");
  const replacement = `${name}_${number}`;
  const rename = (span: Span): Mutation => ({ operator: mutant.operator, ...span, replacement });
  const uses: Mutation[] = [];
  walk(root, (node) => {
    const isRead = node.nodeType === "Identifier" && node.referencedDeclaration === declaration.id;
    const isReadByAssembly = node.nodeType === "YulIdentifier" && node.name === name;
    if (isRead || isReadByAssembly) uses.push(rename(spanOf(node)));
  });
  return { declaration: spanOf(declaration), copy: [rename(nameSpan(declaration)), mutant], uses };
};
