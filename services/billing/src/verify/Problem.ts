/** Everything `verifyInvoice` can find wrong; stable, one meaning each. */
export const PROBLEM_CODES = [
  "malformed_invoice",
  "wrong_chain",
  "wrong_deployment",
  "wrong_invoice_id",
  "invalid_invoice_signature",
  "unexpected_issuer",
  "line_index_mismatch",
  "duplicate_receipt",
  "wrong_job",
  "wrong_capability",
  "invalid_gateway_signature",
  "gateway_not_enrolled",
  "unknown_batch",
  "receipt_not_in_batch",
  "root_not_on_chain",
  "unknown_tariff",
  "duplicate_tariff",
  "unused_tariff",
  "wrong_tariff",
  "tariff_not_published",
  "unknown_model",
  "model_hash_mismatch",
  "price_mismatch",
  "units_mismatch",
  "cost_mismatch",
  "amount_mismatch",
  "transaction_not_found",
  "settlement_not_on_chain",
  "settlement_mismatch",
  "duplicate_settlement",
  "unknown_settlement",
  "missing_settlement",
  "missing_line",
  "duplicate_batch",
  "unused_batch",
  "batch_not_on_chain",
  "header_mismatch",
  "batch_hash_mismatch",
  "wrong_group_key",
  "invalid_batch_signature",
  "invalid_partial_signature",
  "duplicate_signer",
  "signers_do_not_combine",
  "lock_not_on_chain",
  "lock_mismatch",
  "job_not_final",
  "release_mismatch",
  "missing_release",
  "totals_mismatch",
  "tax_mismatch",
] as const;

export type ProblemCode = (typeof PROBLEM_CODES)[number];

/** One thing that is wrong. `line` is the index in `lines`, null when no single line is to blame. */
export type Problem = { line: number | null; path: string; code: ProblemCode; message: string };

/** Notes one problem; checks receive it instead of returning lists, so that none of them stops at the first. */
export type Report = (path: string, code: ProblemCode, message: string) => void;

const LINE_PATH = /^lines\[(\d{1,9})\]/;

/** The line a path such as `lines[3].proof` points into. */
export function lineOfPath(path: string): number | null {
  const found = LINE_PATH.exec(path);
  return found?.[1] === undefined ? null : Number(found[1]);
}
