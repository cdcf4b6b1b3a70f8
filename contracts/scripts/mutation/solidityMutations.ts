import { type AstNode, child, children, spanOf, text, typeOf } from "./AstNode.ts";
import type { Mutation } from "./Mutant.ts";

const BINARY: Record<string, readonly string[]> = {
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "**": ["*"],
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "==": ["!="],
  "!=": ["=="],
  "&&": ["||"],
  "||": ["&&"],
  "&": ["|"],
  "|": ["&"],
  "^": ["&"],
  "<<": [">>"],
  ">>": ["<<"],
};

const ASSIGNMENT: Record<string, readonly string[]> = {
  "+=": ["-=", "="],
  "-=": ["+=", "="],
  "*=": ["/="],
  "|=": ["&="],
  "&=": ["|="],
};

const OPERATOR_KIND: Record<string, string> = {
  "+": "arithmetic",
  "-": "arithmetic",
  "*": "arithmetic",
  "/": "arithmetic",
  "%": "arithmetic",
  "**": "arithmetic",
  "&&": "logical",
  "||": "logical",
  "&": "bit",
  "|": "bit",
  "^": "bit",
  "<<": "bit",
  ">>": "bit",
};

/** Replaces the operator that stands between two operands; what else is between them stays. */
const betweenOperands = (
  source: Buffer,
  left: AstNode,
  right: AstNode,
  operator: string,
  name: string,
  replacements: readonly string[],
): Mutation[] => {
  const from = spanOf(left).end;
  const at = source.indexOf(operator, from);
  if (at === -1 || at >= spanOf(right).start) return [];
  return replacements.map((replacement) => ({
    operator: name,
    start: at,
    end: at + operator.length,
    replacement,
  }));
};

const binary = (node: AstNode, source: Buffer): Mutation[] => {
  const [left, right] = [child(node, "leftExpression"), child(node, "rightExpression")];
  const operator = text(node, "operator");
  if (left === null || right === null) return [];
  const name = OPERATOR_KIND[operator] ?? "relational";
  return betweenOperands(source, left, right, operator, name, BINARY[operator] ?? []);
};

const assignment = (node: AstNode, source: Buffer): Mutation[] => {
  const [left, right] = [child(node, "leftHandSide"), child(node, "rightHandSide")];
  const operator = text(node, "operator");
  if (left === null || right === null) return [];
  return betweenOperands(source, left, right, operator, "arithmetic", ASSIGNMENT[operator] ?? []);
};

const unary = (node: AstNode): Mutation[] => {
  const operator = text(node, "operator");
  const { start, end } = spanOf(node);
  const prefix = node.prefix === true;
  const token = prefix ? { start, end: start + operator.length } : { start: end - operator.length, end };
  if (operator === "!") return [{ operator: "logical", ...token, replacement: "" }];
  if (operator === "~") return [{ operator: "bit", ...token, replacement: "" }];
  if (operator === "++") return [{ operator: "arithmetic", ...token, replacement: "--" }];
  if (operator === "--") return [{ operator: "arithmetic", ...token, replacement: "++" }];
  return [];
};

const literal = (node: AstNode, source: Buffer): Mutation[] => {
  const span = spanOf(node);
  const kind = text(node, "kind");
  if (kind === "bool") {
    return [
      { operator: "constant", ...span, replacement: text(node, "value") === "true" ? "false" : "true" },
    ];
  }
  if (kind === "string") {
    const written = source.subarray(span.start, span.end).toString();
    return [{ operator: "constant", ...span, replacement: `${written.slice(0, -1)}_${written.slice(-1)}` }];
  }
  if (kind !== "number") return [];
  const digits = text(node, "value").replaceAll("_", "");
  // A decimal may be written with an exponent, which BigInt does not read.
  const value = digits.startsWith("0x") ? BigInt(digits) : BigInt(Number(digits));
  const unit = text(node, "subdenomination");
  const suffix = unit === "" ? "" : ` ${unit}`;
  const changed = value === 0n ? [value + 1n] : [value + 1n, value - 1n];
  return changed.map((number) => ({ operator: "constant", ...span, replacement: `${number}${suffix}` }));
};

const condition = (node: AstNode): Mutation[] => {
  const test = child(node, "condition");
  if (test === null) return [];
  return ["true", "false"].map((replacement) => ({
    operator: "condition",
    ...spanOf(test),
    replacement,
  }));
};

const branches = (node: AstNode, source: Buffer): Mutation[] => {
  const [yes, no] = [child(node, "trueExpression"), child(node, "falseExpression")];
  if (yes === null || no === null) return [];
  const [first, second] = [spanOf(yes), spanOf(no)];
  const slice = (start: number, end: number): string => source.subarray(start, end).toString();
  const replacement =
    slice(second.start, second.end) + slice(first.end, second.start) + slice(first.start, first.end);
  return [{ operator: "branches", start: first.start, end: second.end, replacement }];
};

/** Neighbours of one type change places: only those compile and still mean something else. */
const swappedArguments = (node: AstNode, source: Buffer): Mutation[] => {
  const args = children(node, "arguments");
  return args.slice(1).flatMap((right, index) => {
    const left = args[index];
    if (left === undefined || typeOf(left) !== typeOf(right)) return [];
    const [first, second] = [spanOf(left), spanOf(right)];
    const slice = (start: number, end: number): string => source.subarray(start, end).toString();
    const [one, other] = [slice(first.start, first.end), slice(second.start, second.end)];
    if (one === other) return [];
    const replacement = other + slice(first.end, second.start) + one;
    return [{ operator: "arguments", start: first.start, end: second.end, replacement }];
  });
};

/** A revert that is all of an `if` is left to the condition rule, which removes it too. */
const removedStatement = (node: AstNode, ancestors: readonly AstNode[], source: Buffer): Mutation[] => {
  const parent = ancestors.at(-1);
  if (parent?.nodeType === "IfStatement" && child(parent, "falseBody") === null) return [];
  const span = spanOf(node);
  const end = source[span.end] === 59 ? span.end + 1 : span.end;
  return [{ operator: "removal", start: span.start, end, replacement: "{}" }];
};

const removedModifier = (node: AstNode): Mutation[] =>
  text(node, "kind") === "modifierInvocation"
    ? [{ operator: "modifier", ...spanOf(node), replacement: "" }]
    : [];

/** Every edit that the rules make at this one node of Solidity proper. */
export const solidityMutations = (
  node: AstNode,
  ancestors: readonly AstNode[],
  source: Buffer,
): Mutation[] => {
  switch (node.nodeType) {
    case "BinaryOperation":
      return binary(node, source);
    case "Assignment":
      return assignment(node, source);
    case "UnaryOperation":
      return unary(node);
    case "Literal":
      return literal(node, source);
    case "IfStatement":
      return condition(node);
    case "Conditional":
      return branches(node, source);
    case "FunctionCall":
      return swappedArguments(node, source);
    case "ModifierInvocation":
      return removedModifier(node);
    case "ExpressionStatement":
    case "EmitStatement":
    case "RevertStatement":
    case "Return":
    case "Continue":
      return removedStatement(node, ancestors, source);
    default:
      return [];
  }
};
