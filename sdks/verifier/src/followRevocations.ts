import { setTimeout as sleep } from "node:timers/promises";
import { type Address, RevocationList, Wire } from "@tac/protocol";
import { createRevocationList, type Revocations } from "./createRevocationList.ts";

export type FollowedGateway = {
  address: Address;
  /** Base URL. */
  url: string;
};

/** Fetches JSON; rejects for any status but 200. `signal` ends it. */
export type FetchJson = (url: string, signal: AbortSignal) => Promise<unknown>;

const WAIT_MS = 1_500;
const DEADLINE_MS = 4_000;
const RETRY_MS = 500;

/**
 * Follows the signed revocation lists of gateways over HTTP, by long polling: a revocation arrives in the time of a
 * message, and the list is at most two or three seconds old when nothing happens. While a gateway cannot be reached, or
 * says nothing that counts, its list grows old and `assertFresh` refuses.
 */
export const followRevocations = ({
  gateways,
  domain,
  fetchJson = fetchPublic,
  onError,
  now = Date.now,
}: {
  gateways: readonly FollowedGateway[];
  /** EIP-712 domain of UsageReceipts. */
  domain: Wire.Domain;
  /** For gateways behind a certificate authority of their own, or that ask for a client certificate. */
  fetchJson?: FetchJson;
  onError: (error: unknown, gateway: FollowedGateway) => void;
  now?: () => number;
}): Revocations & { close: () => Promise<void> } => {
  const list = createRevocationList({ gateways: gateways.map(({ address }) => address), domain, now });
  const stopping = new AbortController();

  const readPage = async ({ address, url }: FollowedGateway, waitMs: number): Promise<boolean> => {
    const query = new URLSearchParams({ after: list.cursorOf(address).toString(), waitMs: String(waitMs) });
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(DEADLINE_MS)]);
    const answer = await fetchJson(new URL(`/v1/revocations?${query}`, url).href, signal);
    return list.apply(address, Wire.parse(RevocationList.schema, answer, "revocations_unavailable"));
  };

  const follow = async (gateway: FollowedGateway): Promise<void> => {
    let waitMs = 0;
    while (!stopping.signal.aborted) {
      try {
        waitMs = (await readPage(gateway, waitMs)) ? WAIT_MS : 0;
      } catch (error) {
        if (stopping.signal.aborted) return;
        waitMs = 0;
        onError(error, gateway);
        await sleep(RETRY_MS, undefined, { signal: stopping.signal }).catch((reason: unknown) => {
          if (!stopping.signal.aborted) throw reason;
        });
      }
    }
  };

  const ended = Promise.all(gateways.map(follow));
  return {
    isRevoked: list.isRevoked,
    assertFresh: list.assertFresh,
    close: async () => {
      stopping.abort();
      await ended;
    },
  };
};

const fetchPublic: FetchJson = async (url, signal) => {
  const response = await fetch(url, { signal, redirect: "error", headers: { accept: "application/json" } });
  if (response.status === 200) return response.json();
  await response.body?.cancel();
  throw new Error(`The gateway answered ${response.status}.`);
};
