import { readFileSync } from "node:fs";
import { FeedEvent } from "@tac/protocol";
import type { Dispatcher } from "undici";
import type { Address } from "viem";
import { z } from "zod";
import { type PeerIdentity, signedCall, signedText } from "../peers/signedCall.ts";
import type { Delivery } from "../store/DeliveryStore.ts";

/** One enrolled gateway: where events come from, and who is told what was settled. */
export type GatewayPort = {
  address: Address;
  /** Origins callers reach it at; null when any may stand in a proof. */
  origins: ReadonlySet<string> | null;
  /** Its events are unread: whoever validates them reads them. */
  page(afterSeq: bigint, limit: number): Promise<FeedEvent.UnreadPage>;
  deliver(laneId: number, delivery: Delivery): Promise<void>;
  close(): Promise<void>;
};

const gatewaySchema = z.strictObject({
  address: z
    .string()
    .regex(/^0x[0-9a-fA-F]{40}$/)
    .transform((text) => text.toLowerCase() as Address),
  url: z.url(),
  /** PEM bundle to trust for this gateway; the bundle of enrolled parties (TLS_CA_FILE) when absent. */
  caFile: z.string().optional(),
  /** True: the gateway's certificate is one that the system's authorities vouch for. */
  publicCertificate: z.boolean().default(false),
  origins: z.array(z.url()).min(1).optional(),
});

export type GatewayEntry = z.infer<typeof gatewaySchema>;

/** Reads GATEWAYS_FILE. */
export const loadGateways = (file: string): GatewayEntry[] =>
  z
    .array(gatewaySchema)
    .min(1)
    .parse(JSON.parse(readFileSync(file, "utf8")));

const PAGE_TIMEOUT_MS = 10_000;
const DELIVERY_TIMEOUT_MS = 10_000;

/** A gateway reached over HTTPS with peer authentication; closing the port closes the dispatcher. */
export const createGatewayPort = (
  entry: GatewayEntry,
  identity: PeerIdentity,
  dispatcher: Dispatcher,
): GatewayPort => {
  return {
    address: entry.address,
    origins: entry.origins === undefined ? null : new Set(entry.origins.map((url) => new URL(url).origin)),
    page: async (afterSeq, limit) => {
      const { text } = await signedText(identity, {
        baseUrl: entry.url,
        method: "GET",
        path: `/v1/oracle/events?after=${afterSeq}&limit=${limit}`,
        timeoutMs: PAGE_TIMEOUT_MS,
        dispatcher,
      });
      return FeedEvent.readPage(text);
    },
    deliver: async (laneId, { batchNumber, batchHash, transactionHash, receiptIds }) => {
      await signedCall(identity, {
        baseUrl: entry.url,
        method: "POST",
        path: "/v1/oracle/receipt",
        body: { laneId, batchNumber: batchNumber.toString(), batchHash, transactionHash, receiptIds },
        schema: z.object({ accepted: z.number().int().min(0) }),
        timeoutMs: DELIVERY_TIMEOUT_MS,
        dispatcher,
      });
    },
    close: () => dispatcher.close(),
  };
};
