export { type App, createApp } from "./app.ts";
export { type Closer, closeAll, closeWithGrace } from "./closeWithGrace.ts";
export { ConfigError, loadConfig } from "./config.ts";
export { configFields } from "./configFields.ts";
export {
  createPool,
  ensureDatabase,
  isStoreUnavailable,
  migrate,
  type Pool,
  type Transaction,
  withTransaction,
} from "./database.ts";
export { FetchError, type FetchFailure, fetchJson } from "./fetchJson.ts";
export type { HealthCheck } from "./health.ts";
export { createLogger, type Logger } from "./logger.ts";
export { createMetrics, type Metrics, millisecondBuckets } from "./metrics.ts";
export { fromZodError, parseBody, parseParams, toProtocolError } from "./protocolErrors.ts";
export { runService, startupMessage } from "./runService.ts";
export { DeadlineError, withDeadline } from "./withDeadline.ts";
