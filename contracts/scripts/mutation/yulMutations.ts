import { type AstNode, child, children, spanOf, text } from "./AstNode.ts";
import type { Mutation } from "./Mutant.ts";

const BUILTIN: Record<string, readonly string[]> = {
  add: ["sub"],
  sub: ["add"],
  mul: ["add"],
  and: ["or"],
  or: ["and"],
  xor: ["and"],
  shl: ["shr"],
  shr: ["shl"],
  lt: ["gt"],
  gt: ["lt"],
};

const call = (node: AstNode): Mutation[] => {
  const name = child(node, "functionName");
  if (name === null) return [];
  const builtin = text(name, "name");
  const replaced = (BUILTIN[builtin] ?? []).map((replacement) => ({
    operator: "assembly",
    ...spanOf(name),
    replacement,
  }));
  if (builtin !== "eq" && builtin !== "iszero") return replaced;
  // Removing iszero, or adding one around eq, turns the answer round.
  const [argument] = children(node, "arguments");
  if (builtin === "eq") {
    const { start } = spanOf(node);
    return [{ operator: "assembly", start, end: start + 2, replacement: "xor" }];
  }
  return argument === undefined
    ? []
    : [{ operator: "assembly", ...spanOf(name), replacement: "and(1, " }].map((mutation) => ({
        ...mutation,
        end: spanOf(argument).start,
      }));
};

const literal = (node: AstNode): Mutation[] => {
  if (text(node, "kind") !== "number") return [];
  const value = BigInt(text(node, "value"));
  return [{ operator: "assembly", ...spanOf(node), replacement: `0x${(value + 1n).toString(16)}` }];
};

const removal = (node: AstNode): Mutation[] => [{ operator: "assembly", ...spanOf(node), replacement: "{}" }];

/** Every edit that the rules make at this one node of inline assembly. */
export const yulMutations = (node: AstNode): Mutation[] => {
  switch (node.nodeType) {
    case "YulFunctionCall":
      return call(node);
    case "YulLiteral":
      return literal(node);
    case "YulExpressionStatement":
    case "YulAssignment":
      return removal(node);
    default:
      return [];
  }
};
