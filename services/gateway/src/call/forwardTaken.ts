import type { ProviderAnswer, ProviderPool } from "../upstream/ProviderPool.ts";
import type { Admitted } from "./admitCall.ts";
import { forwardCall } from "./forwardCall.ts";
import type { Interruption } from "./Interruption.ts";
import type { WantedCall } from "./wanted.ts";

/** `waitedMs`: how long the answer was there and the hold not durable, which is no time of the provider's. */
export type Forwarded = { answer: ProviderAnswer; waitedMs: number };

/**
 * Forwards a call whose hold is taken, while its commit is on its way to the disk; gives the answer, or throws what
 * forwarding threw, once the hold is durable. A hold that does not get there breaks the exchange off. Errors: of
 * `forwardCall`, and the store's.
 */
export async function forwardTaken(
  providers: ProviderPool,
  { call, outputTokensPerChoice, durable }: Admitted,
  wanted: WantedCall,
  interruption: Interruption,
): Promise<Forwarded> {
  const stored = durable.catch((error: Error) => {
    interruption.abort(error);
    throw error;
  });
  const forwarded = forwardCall(providers, call, wanted, outputTokensPerChoice, interruption).then(
    (answer) => ({ answer, atMs: performance.now() }),
  );
  await Promise.allSettled([stored, forwarded]);
  await stored;
  const { answer, atMs } = await forwarded;
  return { answer, waitedMs: performance.now() - atMs };
}
