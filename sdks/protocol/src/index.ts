/**
 * Every wire format of the system. Each module is a namespace named after its noun, and its types live inside:
 *
 *     import { Capability, Nano, ProtocolError } from "@tac/protocol";
 *     const capability: Capability.Capability = Wire.parse(Capability.schema, json);
 *     const json = Capability.toJson(capability);
 *
 * Only what has no namespace of its own is exported flat: `ProtocolError`, `ErrorCode`, `Header`, `Hex`, `Address`.
 */

export type { Address, Hex } from "viem";
export * as Batch from "./Batch.ts";
export * as BatchHeader from "./BatchHeader.ts";
export * as Capability from "./Capability.ts";
export * as Constants from "./Constants.ts";
export { Header } from "./Constants.ts";
export * as Deployment from "./Deployment.ts";
export * as DpopProof from "./DpopProof.ts";
export * as Errors from "./Errors.ts";
export { type ErrorCode, ProtocolError } from "./Errors.ts";
export * as FeedEvent from "./FeedEvent.ts";
export * as HolderKey from "./HolderKey.ts";
export * as Invoice from "./Invoice.ts";
export * as Line from "./Line.ts";
export * as MerkleTree from "./MerkleTree.ts";
export * as Nano from "./Nano.ts";
export * as PeerAuth from "./PeerAuth.ts";
export * as Plan from "./Plan.ts";
export * as Pricing from "./Pricing.ts";
export * as PrivateKey from "./PrivateKey.ts";
export * as Quote from "./Quote.ts";
export * as Revocation from "./Revocation.ts";
export * as RevocationList from "./RevocationList.ts";
export * as Sources from "./Sources.ts";
export * as Tariff from "./Tariff.ts";
export * as ThresholdBls from "./ThresholdBls.ts";
export * as UsageAuth from "./UsageAuth.ts";
export * as UsageReceipt from "./UsageReceipt.ts";
export * as UsageReport from "./UsageReport.ts";
export * as Wire from "./Wire.ts";
