export { createChainReader } from "./chain/createChainReader.ts";
export { linesToCsv } from "./invoice/linesToCsv.ts";
export { renderInvoice } from "./invoice/renderInvoice.ts";
export type { ChainReader } from "./verify/ChainReader.ts";
export type { Problem, ProblemCode } from "./verify/Problem.ts";
export { type Verification, type VerifyOptions, verifyInvoice } from "./verify/verifyInvoice.ts";
