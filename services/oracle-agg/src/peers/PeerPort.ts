import { Wire } from "@tac/protocol";

import type { Dispatcher } from "undici";
import { z } from "zod";
import { type Message, messageToJson } from "../protocol/Message.ts";
import { type BatchBody, batchBodySchema } from "../store/content.ts";
import { type PeerIdentity, signedCall } from "./signedCall.ts";

/** What the store holds in a bigint column; no chain and no clock counts further. */
const MAX_STORED = 2n ** 63n - 1n;
const stored = Wire.uint64.refine((value) => value <= MAX_STORED, "out of range");

/** Parameters of the routes about one batch. */
export const batchParams = z.object({ batchNumber: stored });

/** Another replica of the set. Every call has a deadline. */
export type PeerPort = {
  id: number;
  /** Hands a message over; resolves once the peer has it, which says nothing about what it does with it. */
  send(message: Message): Promise<void>;
  batch(batchNumber: bigint): Promise<BatchBody>;
};

const SHORT_TIMEOUT_MS = 1_500;
const BODY_TIMEOUT_MS = 15_000;

export const createPeerPort = (
  id: number,
  baseUrl: string,
  laneId: number,
  identity: PeerIdentity,
  dispatcher?: Dispatcher,
): PeerPort => {
  const connection = { baseUrl, ...(dispatcher === undefined ? {} : { dispatcher }) };
  return {
    id,
    send: async (message) => {
      await signedCall(identity, {
        ...connection,
        method: "POST",
        path: "/v1/peer/messages",
        body: messageToJson(message),
        schema: z.object({ taken: z.literal(true) }),
        timeoutMs: SHORT_TIMEOUT_MS,
      });
    },
    batch: (batchNumber) =>
      signedCall(identity, {
        ...connection,
        method: "GET",
        path: `/v1/batches/${batchNumber}?lane=${laneId}`,
        schema: batchBodySchema,
        timeoutMs: BODY_TIMEOUT_MS,
      }),
  };
};
