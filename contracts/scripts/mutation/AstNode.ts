/** A node of solc's AST; what a rule needs beyond these members it reads through the helpers below. */
export type AstNode = { nodeType: string; src: string; [member: string]: unknown };

/** Offsets in bytes, as solc counts them. */
export type Span = { start: number; end: number };

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

export const isNode = (value: unknown): value is AstNode =>
  isRecord(value) && typeof value.nodeType === "string" && typeof value.src === "string";

export const spanOf = (node: AstNode): Span => {
  const [start, length] = node.src.split(":").map(Number);
  if (start === undefined || length === undefined) throw new Error(`Unreadable source position ${node.src}.`);
  return { start, end: start + length };
};

export const child = (node: AstNode, member: string): AstNode | null => {
  const value = node[member];
  return isNode(value) ? value : null;
};

export const children = (node: AstNode, member: string): AstNode[] => {
  const value = node[member];
  return Array.isArray(value) ? value.filter(isNode) : [];
};

export const text = (node: AstNode, member: string): string => {
  const value = node[member];
  return typeof value === "string" ? value : "";
};

/** The compiler's name of an expression's type; empty where it has none. */
export const typeOf = (node: AstNode): string => {
  const types = node.typeDescriptions;
  return isRecord(types) && typeof types.typeString === "string" ? types.typeString : "";
};

/** Visits every node below and including `root`, parents first; `ancestors` ends with the direct parent. */
export const walk = (
  root: AstNode,
  visit: (node: AstNode, ancestors: readonly AstNode[]) => void,
  ancestors: readonly AstNode[] = [],
): void => {
  visit(root, ancestors);
  const below = [...ancestors, root];
  for (const value of Object.values(root)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (isNode(item)) walk(item, visit, below);
    }
  }
};
