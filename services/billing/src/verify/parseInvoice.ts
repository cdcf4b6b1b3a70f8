import { Invoice } from "@tac/protocol";
import type { z } from "zod";

const LISTS = ["lines", "batches", "settlements", "tariffs"] as const;
const ENTRIES_PER_SLICE = 64;

/** The invoice in a stranger's JSON, or what is malformed about it. */
export type ParsedInvoice =
  | { invoice: Invoice.Invoice }
  | { issues: { path: PropertyKey[]; message: string }[] };

/**
 * Parses the lists a slice at a time and stops at the first slice that is malformed: a schema names every member that is
 * missing, so a small file of empty entries would otherwise cost seconds and an answer of many megabytes.
 */
export function parseInvoice(input: unknown): ParsedInvoice {
  for (let start = 0; start < longestList(input); start += ENTRIES_PER_SLICE) {
    const outcome = Invoice.schema.safeParse(sliceOf(input, start));
    if (!outcome.success) return { issues: outcome.error.issues.map((issue) => placed(issue, start)) };
  }
  const outcome = Invoice.schema.safeParse(input);
  return outcome.success ? { invoice: outcome.data } : { issues: outcome.error.issues };
}

function longestList(input: unknown): number {
  if (typeof input !== "object" || input === null) return 0;
  const lists: Partial<Record<string, unknown>> = { ...input };
  return Math.max(...LISTS.map((name) => (Array.isArray(lists[name]) ? lists[name].length : 0)));
}

function sliceOf(input: unknown, start: number): unknown {
  if (typeof input !== "object" || input === null) return input;
  const sliced: Partial<Record<string, unknown>> = { ...input };
  for (const name of LISTS) {
    const list = sliced[name];
    if (Array.isArray(list)) sliced[name] = list.slice(start, start + ENTRIES_PER_SLICE);
  }
  return sliced;
}

function placed({ path, message }: z.core.$ZodIssue, start: number) {
  const [list, index, ...rest] = path;
  const isEntry = LISTS.some((name) => name === list) && typeof index === "number";
  return { path: isEntry ? [list ?? "", index + start, ...rest] : path, message };
}
