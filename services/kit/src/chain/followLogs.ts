import { setTimeout as sleep } from "node:timers/promises";
import type { Abi, Address, ContractEventName, GetContractEventsReturnType } from "viem";
import { getContractEvents } from "viem/actions";
import type { Chain } from "./createChain.ts";

export type FollowedLogs<abi extends Abi> = GetContractEventsReturnType<
  abi,
  ContractEventName<abi> | undefined,
  true,
  bigint,
  bigint
>;

export type LogFollower = {
  /** Ends after the step that runs; resolves when nothing runs any more. */
  stop: () => Promise<void>;
  /** Blocks between the head of the chain and the last block handled, as of the last poll. */
  lagBlocks: () => bigint;
  /**
   * Everything on the chain at this time, in Unix milliseconds, has been handled; 0 before the first time.
   * What it says grows old when either reading or handling fails.
   */
  caughtUpAtMs: () => number;
};

const maxBackoffMs = 10_000;

/**
 * Follows the events of contracts from a stored cursor, so that each block is handled at least once and in order,
 * across restarts and RPC failures. `onLogs` and `saveCursor` run one after the other, also for ranges without logs;
 * make `onLogs` idempotent, or let it store the cursor itself in its own transaction.
 *
 * The cursor is the last block handled. Blocks younger than `confirmations` are left for later.
 * A failure of any step goes to `onError`; the step is repeated with back-off and never skipped.
 */
export const followLogs = <const abi extends Abi>({
  client,
  address,
  abi,
  fromBlock,
  pollMs = 1_000,
  maxRange = 2_000n,
  confirmations = 0n,
  onLogs,
  loadCursor,
  saveCursor,
  onError,
}: {
  client: Chain;
  address: Address | Address[];
  /** Every event of this ABI is followed. */
  abi: abi;
  /** First block ever handled, used when there is no cursor. */
  fromBlock: bigint;
  pollMs?: number;
  /** Most blocks asked for at once. */
  maxRange?: bigint;
  confirmations?: bigint;
  onLogs: (logs: FollowedLogs<abi>, range: { fromBlock: bigint; toBlock: bigint }) => Promise<void>;
  loadCursor: () => Promise<bigint | undefined>;
  saveCursor: (block: bigint) => Promise<void>;
  onError: (error: unknown) => void;
}): LogFollower => {
  const stopping = new AbortController();
  let cursor: bigint | undefined;
  let lag = 0n;
  let caughtUpAtMs = 0;

  const advance = async (): Promise<void> => {
    cursor ??= (await loadCursor()) ?? fromBlock - 1n;
    const readAtMs = Date.now();
    const head = (await client.getBlockNumber({ cacheTime: 0 })) - confirmations;
    lag = head > cursor ? head - cursor : 0n;
    while (cursor < head && !stopping.signal.aborted) {
      const first: bigint = cursor + 1n;
      const last: bigint = first + maxRange - 1n < head ? first + maxRange - 1n : head;
      const logs = await getContractEvents(client, {
        address,
        abi,
        fromBlock: first,
        toBlock: last,
        strict: true,
      });
      await onLogs(logs as FollowedLogs<abi>, { fromBlock: first, toBlock: last });
      await saveCursor(last);
      cursor = last;
      lag = head - last;
    }
    if (cursor >= head) caughtUpAtMs = readAtMs;
  };

  const run = async (): Promise<void> => {
    let failures = 0;
    while (!stopping.signal.aborted) {
      try {
        await advance();
        failures = 0;
      } catch (error) {
        failures += 1;
        onError(error);
      }
      const waitMs =
        failures === 0 ? pollMs : Math.min(pollMs * 2 ** failures, Math.max(pollMs, maxBackoffMs));
      await sleep(waitMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };

  const ended = run();
  return {
    stop: async () => {
      stopping.abort();
      await ended;
    },
    lagBlocks: () => lag,
    caughtUpAtMs: () => caughtUpAtMs,
  };
};
