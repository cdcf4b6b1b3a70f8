export { buildApp } from "./app.ts";
export type { Behaviour } from "./controls.ts";
export { createGuard, type Guard, openGuard } from "./guard.ts";
export { createReporter, type Reporter, type ReportMode } from "./reporter.ts";
export { countTokens, tokenise } from "./tokens.ts";
