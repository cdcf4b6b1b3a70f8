import { Errors } from "@tac/protocol";
import {
  type Abi,
  type Address,
  createWalletClient,
  encodeFunctionData,
  type Hex,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
  WaitForTransactionReceiptTimeoutError,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { ChainRevert, decodeChainError } from "./ChainRevert.ts";
import { type Chain, type ChainSettings, chainOf, transportOf } from "./createChain.ts";

export type Call = { address: Address; abi: Abi; functionName: string; args?: readonly unknown[] };

export type Sender = {
  address: Address;
  /**
   * Submits one call and waits until it is in a block.
   * @throws {@link ChainRevert} with the decoded reason, or ProtocolError `chain_unavailable`, which does not say that
   * the transaction will never be mined.
   */
  send: (call: Call) => Promise<TransactionReceipt>;
};

/** Room for state that changes between the estimate and the block, in percent. */
const gasMarginPercent = 20n;

/**
 * Sends transactions of one account. Calls may overlap: nonces are given out one after the other, and the wait for
 * the block happens outside that queue. One process per account; two would race for nonces.
 */
export const createSender = ({
  chain,
  settings,
  privateKey,
  errorAbi = [],
  receiptTimeoutMs = 60_000,
  confirmations = 1,
}: {
  chain: Chain;
  settings: ChainSettings;
  privateKey: Hex;
  /** Errors of the contracts that a call may reach, for decoding. */
  errorAbi?: Abi;
  receiptTimeoutMs?: number;
  confirmations?: number;
}): Sender => {
  const account = privateKeyToAccount(privateKey);
  const wallet = createWalletClient({ account, chain: chainOf(settings), transport: transportOf(settings) });
  let lastNonce = -1;
  let turn: Promise<unknown> = Promise.resolve();

  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const result = turn.then(work, work);
    turn = result;
    return result;
  };

  const submit = async (to: Address, data: Hex): Promise<Hex> => {
    const estimate = await chain.estimateGas({ account, to, data });
    const pending = await chain.getTransactionCount({ address: account.address, blockTag: "pending" });
    // A node behind a load balancer may not know our last transaction yet.
    const nonce = Math.max(pending, lastNonce + 1);
    const gas = estimate + (estimate * gasMarginPercent) / 100n;
    try {
      const hash = await wallet.sendTransaction({ to, data, nonce, gas });
      lastNonce = nonce;
      return hash;
    } catch (error) {
      // A nonce that may never have been used must not leave a gap that blocks everything behind it.
      lastNonce = -1;
      throw error;
    }
  };

  const reasonOf = async (to: Address, data: Hex, receipt: TransactionReceipt, abi: Abi): Promise<Error> => {
    const hash = receipt.transactionHash;
    try {
      await chain.call({ account, to, data, gas: receipt.gasUsed * 2n, blockNumber: receipt.blockNumber });
    } catch (error) {
      return decodeChainError(error, abi, hash);
    }
    return new ChainRevert("reverted in its block for a reason that is gone since", [], {
      transactionHash: hash,
    });
  };

  return {
    address: account.address,
    send: async ({ address, abi, functionName, args = [] }) => {
      const knownErrors: Abi = [...abi, ...errorAbi];
      const data = encodeFunctionData({ abi, functionName, args });
      const hash = await inTurn(() =>
        submit(address, data).catch((error: unknown) => {
          throw decodeChainError(error, knownErrors);
        }),
      );
      const receipt = await chain
        .waitForTransactionReceipt({ hash, timeout: receiptTimeoutMs, confirmations })
        .catch((cause: unknown) => {
          const late =
            cause instanceof WaitForTransactionReceiptTimeoutError ||
            cause instanceof TransactionReceiptNotFoundError;
          const detail = late
            ? `The transaction ${hash} is not in a block yet.`
            : `The fate of ${hash} is not known.`;
          throw Errors.fromCode("chain_unavailable", { detail, cause });
        });
      if (receipt.status === "success") return receipt;
      throw await reasonOf(address, data, receipt, knownErrors);
    },
  };
};
