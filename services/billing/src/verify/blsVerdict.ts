import { ThresholdBls, Wire } from "@tac/protocol";
import type { Hex } from "viem";

export type Signer = { replica: number; publicShare: Hex; partialSignature: Hex };

const MAX_VERDICTS = 4_096;
const verdicts = new Map<string, boolean>();

/**
 * A pairing, or a point's subgroup check, costs many milliseconds, and all jobs of a batch rest on the same signatures:
 * verdicts are remembered by everything they depend on, the oldest forgotten first.
 */
function remembered(subject: string, decide: () => boolean): boolean {
  const key = Wire.keccakHex(Buffer.from(subject));
  const known = verdicts.get(key);
  if (known !== undefined) return known;
  const verdict = decide();
  const oldest = verdicts.size >= MAX_VERDICTS ? verdicts.keys().next().value : undefined;
  if (oldest !== undefined) verdicts.delete(oldest);
  verdicts.set(key, verdict);
  return verdict;
}

/** `ThresholdBls.verify`, remembered. */
export function blsVerdict(message: Hex, signature: Hex, publicKey: Hex): boolean {
  return remembered(`${message} ${signature} ${publicKey}`, () =>
    ThresholdBls.verify(message, signature, publicKey),
  );
}

/**
 * Whether the shares interpolate to the group's key, and the partial signatures made with them to its signature. Says
 * nothing about each partial signature; check them one by one first. Throws for repeated or zero replica numbers.
 */
export function signersCombine(signers: readonly Signer[], signature: Hex, publicKey: Hex): boolean {
  const named = signers.map(
    ({ replica, publicShare, partialSignature }) => `${replica} ${publicShare} ${partialSignature}`,
  );
  return remembered(`${signature} ${publicKey} ${named.join(" ")}`, () => {
    const partials = signers.map(({ replica, partialSignature }) => ({
      index: replica,
      signature: partialSignature,
    }));
    const shares = signers.map(({ replica, publicShare }) => ({ index: replica, publicKey: publicShare }));
    return (
      ThresholdBls.combine(partials) === signature && ThresholdBls.combinePublicKeys(shares) === publicKey
    );
  });
}
