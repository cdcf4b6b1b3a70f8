import { type Address, type Hex, ProtocolError, RevocationList, type Wire } from "@tac/protocol";

/** What a verifier asks before it lets a call pass. */
export type Revocations = {
  /** `tenant` and `issuedAt` (Unix seconds, of the token) are for tenants who revoked all at once. */
  isRevoked: (jobId: Hex, token: { tenant: Address; issuedAt: number }) => boolean;
  /**
   * @throws ProtocolError `revocations_unavailable` or `chain_unavailable` while what is known of this gateway's
   * revocations is older than five seconds.
   */
  assertFresh: (gateway: Address) => void;
};

/** A list that is fed with a gateway's signed pages. */
export type RevocationListState = Revocations & {
  /** Where the next page of a gateway has to begin. */
  cursorOf: (gateway: Address) => bigint;
  /** Takes a page; true when it was the last for now. Errors: those of `RevocationList.verify`. */
  apply: (gateway: Address, page: RevocationList.Page) => boolean;
  /** Entries in memory; one leaves when its capability has expired. */
  size: () => number;
};

const FORGET_MS = 60_000;

/**
 * Revocations of some gateways, as they themselves signed them. A page only ever adds; nothing but the expiry of a
 * capability takes an entry out, so neither a gateway nor whoever stands between can bring a capability back.
 */
export const createRevocationList = ({
  gateways,
  domain,
  now = Date.now,
  maxAgeMs = RevocationList.MAX_AGE_MS,
}: {
  gateways: readonly Address[];
  /** EIP-712 domain of UsageReceipts. */
  domain: Wire.Domain;
  now?: () => number;
  /** At most five seconds. */
  maxAgeMs?: number;
}): RevocationListState => {
  const known = new Map<string, { seq: bigint; issuedAtMs: number }>(
    gateways.map((gateway) => [gateway.toLowerCase(), { seq: 0n, issuedAtMs: 0 }]),
  );
  const expiryOf = new Map<Hex, number>();
  const longestAgeMs = Math.min(maxAgeMs, RevocationList.MAX_AGE_MS);
  let forgottenAtMs = 0;

  const positionOf = (gateway: Address) => {
    const position = known.get(gateway.toLowerCase());
    if (position === undefined) {
      throw new ProtocolError("revocations_unavailable", {
        detail: "Nobody follows the revocations of this gateway here.",
      });
    }
    return position;
  };

  return {
    isRevoked: (jobId) => expiryOf.has(jobId),
    assertFresh: (gateway) => {
      if (now() - positionOf(gateway).issuedAtMs <= longestAgeMs) return;
      throw new ProtocolError("revocations_unavailable", {
        detail: "The gateway's list of revocations is too old to serve calls.",
      });
    },
    cursorOf: (gateway) => positionOf(gateway).seq,
    apply: (gateway, page) => {
      const position = positionOf(gateway);
      const nowMs = now();
      const expected = { gateway, afterSeq: position.seq, nowMs, maxAgeMs: longestAgeMs };
      RevocationList.verify(page, expected, domain);
      for (const { jobId, expiresAtMs } of page.entries) {
        expiryOf.set(jobId, Math.max(expiryOf.get(jobId) ?? 0, Number(expiresAtMs)));
      }
      position.seq = page.head.toSeq;
      const isLast = page.head.toSeq === page.head.headSeq;
      // A page before the last says nothing about what comes after it, so the list is as old as it was.
      // Nor does a clock that runs ahead make a list last longer than from its arrival.
      if (isLast) {
        position.issuedAtMs = Math.max(position.issuedAtMs, Math.min(nowMs, Number(page.head.issuedAtMs)));
      }
      if (nowMs - forgottenAtMs >= FORGET_MS) {
        forgottenAtMs = nowMs;
        for (const [jobId, expiresAtMs] of expiryOf) if (expiresAtMs < nowMs) expiryOf.delete(jobId);
      }
      return isLast;
    },
    size: () => expiryOf.size,
  };
};

/** Revoked when any source says so; fresh when all are. */
export const combineRevocations = (...sources: readonly Revocations[]): Revocations => ({
  isRevoked: (jobId, token) => sources.some((source) => source.isRevoked(jobId, token)),
  assertFresh: (gateway) => {
    for (const source of sources) source.assertFresh(gateway);
  },
});
