import type { ProviderAnswer, ProviderPool } from "../upstream/ProviderPool.ts";
import type { Admitted } from "./admitCall.ts";
import { forwardCall } from "./forwardCall.ts";
import type { Interruption } from "./Interruption.ts";
import type { WantedCall } from "./wanted.ts";

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
): Promise<ProviderAnswer> {
  const stored = durable.catch((error: Error) => {
    interruption.abort(error);
    throw error;
  });
  const forwarded = forwardCall(providers, call, wanted, outputTokensPerChoice, interruption);
  await Promise.allSettled([stored, forwarded]);
  await stored;
  return forwarded;
}
