import type { Abi, Address } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import type { ChainClient } from "./chain.ts";

type Call = { address: Address; abi: Abi; functionName: string; args: readonly unknown[] };

/** Sends one transaction and waits for it. Throws when it was reverted. */
export const send = async (client: ChainClient, account: PrivateKeyAccount, call: Call): Promise<void> => {
  const hash = await client.writeContract({ ...call, account, chain: client.chain });
  const { status } = await client.waitForTransactionReceipt({ hash });
  if (status !== "success")
    throw new Error(`${call.functionName} on ${call.address} was reverted in ${hash}`);
};
