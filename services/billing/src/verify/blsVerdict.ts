import { ThresholdBls } from "@tac/protocol";
import type { Hex } from "viem";

const MAX_VERDICTS = 4_096;
const verdicts = new Map<string, boolean>();

/**
 * `ThresholdBls.verify`, remembered: a pairing costs some fifteen milliseconds, and all jobs of a batch rest on the
 * same signatures. The oldest verdicts are forgotten first.
 */
export function blsVerdict(message: Hex, signature: Hex, publicKey: Hex): boolean {
  const key = `${message} ${signature} ${publicKey}`;
  const known = verdicts.get(key);
  if (known !== undefined) return known;
  const verdict = ThresholdBls.verify(message, signature, publicKey);
  const oldest = verdicts.size >= MAX_VERDICTS ? verdicts.keys().next().value : undefined;
  if (oldest !== undefined) verdicts.delete(oldest);
  verdicts.set(key, verdict);
  return verdict;
}
