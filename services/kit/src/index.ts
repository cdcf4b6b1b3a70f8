export { type App, createApp } from "./app.ts";
export { requireBearerToken } from "./bearerToken.ts";
export { bigintArray, byteaArray, textArray } from "./binaryArrays.ts";
export { type Broadcast, createBroadcast } from "./broadcast.ts";
export { ChainRevert, decodeChainError } from "./chain/ChainRevert.ts";
export { completeLogs } from "./chain/completeLogs.ts";
export { assertChainId, type Chain, type ChainSettings, chainOf, createChain } from "./chain/createChain.ts";
export { type Call, createSender, type Sender } from "./chain/createSender.ts";
export { type FollowedLogs, followLogs, type LogFollower } from "./chain/followLogs.ts";
export { type Closer, closeAll, closeWithGrace } from "./closeWithGrace.ts";
export { ConfigError, loadConfig } from "./config.ts";
export { configFields } from "./configFields.ts";
export {
  createPool,
  ensureDatabase,
  ensureLoginRole,
  isStoreUnavailable,
  migrate,
  type Pool,
  queryWithNotices,
  type Transaction,
  withTransaction,
} from "./database.ts";
export { FetchError, type FetchFailure, fetchJson } from "./fetchJson.ts";
export type { HealthCheck } from "./health.ts";
export { loadJsonFile } from "./loadJsonFile.ts";
export { createLogger, type Logger } from "./logger.ts";
export { type Loop, startLoop } from "./loop.ts";
export { createMetrics, type Metrics, millisecondBuckets } from "./metrics.ts";
export { fromZodError, parseBody, parseParams, toProtocolError } from "./protocolErrors.ts";
export { type AddOptions, createQueues, type JobQueue, type QueuedJob, type Queues } from "./queue.ts";
export { runService, startupMessage } from "./runService.ts";
export { certificateNames, uriNamesOf } from "./tls/certificateNames.ts";
export { type PeerCertificate, peerCertificateOf, requireCertificate } from "./tls/peerCertificate.ts";
export { type TlsFiles, type TlsMaterial, TlsMaterialError } from "./tls/readTlsMaterial.ts";
export { followServerTls, type ServerTls, serverTlsOptions } from "./tls/serverTls.ts";
export { CertificateNameError, TlsDispatcher } from "./tls/TlsDispatcher.ts";
export { openTls, type TlsConfig, tlsFields } from "./tls/tlsFields.ts";
export { staticTls, type TlsSource, type WatchOptions, watchTls } from "./tls/watchTls.ts";
export { DeadlineError, withDeadline } from "./withDeadline.ts";
