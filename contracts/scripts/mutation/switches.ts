import { type AstNode, child, type Span, spanOf, typeOf, walk } from "./AstNode.ts";
import { constantEdits } from "./constantEdits.ts";
import { apply, type Mutant, type Mutation } from "./Mutant.ts";

/** A mutant and the number that turns it on; the number is the block's PREVRANDAO. */
export type Numbered = { mutant: Mutant; number: number };

type Kind = "expression" | "statement" | "yul" | "yulDeclaration" | "constant";

/** What one mutant makes of a piece of source. */
type Choice = { number: number; edits: Mutation[] };

/** A piece of source that holds a choice: as it was, or as one of its mutants has it. */
type Site = Span & { kind: Kind; value: Span | null; own: Choice[] };

const STATEMENTS = new Set([
  "ExpressionStatement",
  "EmitStatement",
  "RevertStatement",
  "Return",
  "Continue",
  "Break",
]);
const YUL_STATEMENTS = new Set([
  "YulExpressionStatement",
  "YulAssignment",
  "YulIf",
  "YulForLoop",
  "YulSwitch",
]);

/** Types that a conditional either cannot have or would change: literals, functions, nothing, types themselves. */
const UNFIT_TYPE =
  /^$|^tuple\(\)$|^error$|int_const|rational_const|literal_string|^function |^type\(|^modifier /;

const isFitExpression = (node: AstNode, parent: AstNode | undefined): boolean => {
  if (node.lValueRequested === true || node.nodeType === "ElementaryTypeNameExpression") return false;
  if (parent?.nodeType === "TryStatement" || parent?.nodeType === "FunctionCallOptions") return false;
  return !UNFIT_TYPE.test(typeOf(node));
};

/** A literal that is all of an initial value or of a constructor's argument takes its type from there. */
const isWholeValue = (node: AstNode, parent: AstNode | undefined): boolean =>
  (parent?.nodeType === "VariableDeclarationStatement" || parent?.nodeType === "ModifierInvocation") &&
  typeOf(node) !== "" &&
  node.nodeType !== "IdentifierPath";

const isLoopHeader = (node: AstNode, parent: AstNode | undefined): boolean =>
  parent?.nodeType === "ForStatement" && child(parent, "body") !== node;

/** The nodes around an edit, innermost first. */
const chainAround = (root: AstNode, span: Span): AstNode[] => {
  let chain: AstNode[] = [];
  walk(root, (node, ancestors) => {
    const { start, end } = spanOf(node);
    if (start <= span.start && span.end <= end && ancestors.length >= chain.length) {
      chain = [node, ...ancestors.toReversed()];
    }
  });
  return chain;
};

const site = (kind: Kind, span: Span, value: Span | null = null): Site => ({ ...span, kind, value, own: [] });

/** Where to choose between the original and a mutant; null where the language allows no choice at run time. */
const siteOf = (root: AstNode, source: Buffer, mutant: Mutation): Site | null => {
  const isRemoval = mutant.replacement === "{}";
  const hasSemicolon = isRemoval && source[mutant.end - 1] === 59;
  const chain = chainAround(root, { start: mutant.start, end: mutant.end - (hasSemicolon ? 1 : 0) });
  if (chain.some((node) => node.nodeType === "VariableDeclaration" && node.constant === true)) return null;
  // Whether such a variable is assigned on every path is known to the compiler only without a choice.
  if (isRemoval && chain.some((node) => typeOf(node).endsWith("storage pointer"))) return null;
  for (const [index, node] of chain.entries()) {
    const parent = chain[index + 1];
    const span = spanOf(node);
    if (node.nodeType === "ModifierInvocation" && mutant.operator === "modifier") return null;
    if (YUL_STATEMENTS.has(node.nodeType)) return site("yul", span);
    if (node.nodeType === "YulVariableDeclaration") {
      const value = child(node, "value");
      return value === null ? null : site("yulDeclaration", span, spanOf(value));
    }
    if (node.nodeType.startsWith("Yul")) continue;
    if (STATEMENTS.has(node.nodeType) && !isLoopHeader(node, parent)) {
      return site("statement", { start: span.start, end: span.end + (source[span.end] === 59 ? 1 : 0) });
    }
    // A statement made of this expression alone is the better place.
    if (
      isRemoval ||
      (parent?.nodeType === "ExpressionStatement" && !isLoopHeader(parent, chain[index + 2]))
    ) {
      continue;
    }
    if (isFitExpression(node, parent) || isWholeValue(node, parent)) return site("expression", span);
  }
  return null;
};

const isInside = (inner: Span, outer: Span): boolean => outer.start <= inner.start && inner.end <= outer.end;

/** The source between two offsets, with a choice at each site. */
const render = (source: Buffer, { start, end }: Span, sites: readonly Site[]): string => {
  const outermost = sites.filter(
    (one) => !sites.some((other) => other !== one && isInside(one, other) && !isInside(other, one)),
  );
  let output = "";
  let at = start;
  for (const outer of outermost.toSorted((left, right) => left.start - right.start)) {
    const nested = sites.filter((one) => one !== outer && isInside(one, outer));
    output += source.subarray(at, outer.start).toString() + renderSite(source, outer, nested);
    at = outer.end;
  }
  return output + source.subarray(at, end).toString();
};

const renderSite = (source: Buffer, one: Site, nested: readonly Site[]): string => {
  const changed = (span: Span, { edits }: Choice): string =>
    edits
      .toSorted((left, right) => right.start - left.start)
      .reduce(
        (code, edit) => apply(code, { ...edit, start: edit.start - span.start, end: edit.end - span.start }),
        source.subarray(span.start, span.end),
      )
      .toString();
  const cases = (span: Span, write: (number: number, code: string) => string): string =>
    one.own.map((choice) => write(choice.number, changed(span, choice))).join("");
  const original = (span: Span): string => render(source, span, nested);

  if (one.kind === "constant") return original(one) + cases(one, (_, code) => `; ${code}`);
  if (one.kind === "expression") {
    return `(${cases(one, (number, code) => `block.prevrandao == ${number} ? (${code}) : `)}(${original(one)}))`;
  }
  if (one.kind === "statement") {
    const written = cases(one, (number, code) => `if (block.prevrandao == ${number}) { ${code} } else `);
    return `{ ${written}{ ${original(one)} } }`;
  }
  if (one.kind === "yul" || one.value === null) {
    const written = cases(one, (number, code) => `case ${number} { ${code} } `);
    return `switch prevrandao() ${written}default { ${original(one)} }`;
  }
  const names = source
    .subarray(one.start, one.value.start)
    .toString()
    .replace(/:=\s*$/, "");
  const assigned = names.replace(/^let\s+/, "");
  const written = cases(one.value, (number, code) => `case ${number} { ${assigned} := ${code} } `);
  return `${names} switch prevrandao() ${written}default { ${assigned} := ${original(one.value)} }`;
};

/** The number of the last mutant that begins before a place in the switched source: what a complaint there is about. */
export const numberBefore = (
  code: string,
  { line, column }: { line: number; column: number },
): number | null => {
  const lines = code.split("\n");
  const before = [...lines.slice(0, line - 1), (lines[line - 1] ?? "").slice(0, column)].join("\n");
  const last = [...before.matchAll(/(?:block\.prevrandao == |case |\b[A-Z0-9_]+_)(\d+)\b/g)].at(-1);
  return last === undefined ? null : Number(last[1]);
};

/** The sites of one mutant with what it does at each; null where it cannot be chosen at run time. */
const sitesOf = (root: AstNode, source: Buffer, { mutant, number }: Numbered): Site[] | null => {
  const constant = constantEdits(root, mutant, number);
  const sites = constant === null ? [] : [site("constant", constant.declaration)];
  for (const own of sites) own.own.push({ number, edits: constant?.copy ?? [] });
  for (const edit of constant?.uses ?? [mutant]) {
    const found = siteOf(root, source, edit);
    if (found === null) return null;
    const same = sites.find(({ start, end }) => start === found.start && end === found.end) ?? found;
    if (same === found) sites.push({ ...found, own: [{ number, edits: [edit] }] });
    else same.own[0]?.edits.push(edit);
  }
  return sites;
};

/**
 * One source file with many mutants in it, of which the block's PREVRANDAO chooses one: mutant schemata, after Untch,
 * Offutt and Harrold (1993). What cannot be chosen at run time (modifiers, constants that other files see) is left out.
 */
export const switched = (
  source: Buffer,
  root: AstNode,
  numbered: readonly Numbered[],
): { code: string; included: Numbered[] } => {
  const sites = new Map<string, Site>();
  const included: Numbered[] = [];
  for (const one of numbered) {
    const found = sitesOf(root, source, one);
    if (found === null) continue;
    for (const each of found) {
      const key = `${each.start}:${each.end}`;
      const known = sites.get(key);
      if (known === undefined) sites.set(key, each);
      else known.own.push(...each.own);
    }
    included.push(one);
  }
  return { code: render(source, { start: 0, end: source.length }, [...sites.values()]), included };
};
