export type { ChainPort } from "./chain/ChainPort.ts";
export { createGateway, type Gateway, type GatewayResources, type GatewaySettings } from "./createGateway.ts";
export { auditJob, type LedgerAudit } from "./ledger/auditJob.ts";
