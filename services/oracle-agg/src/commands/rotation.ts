import { paramGovernorAbi, usageReceiptsAbi } from "@tac/contracts/abi";
import { assertChainId, type Chain, createChain, createSender } from "@tac/kit";
import type { Deployment } from "@tac/protocol";
import { encodeAbiParameters, encodeFunctionData, type Hex, keccak256, zeroHash } from "viem";
import type { GroupKey } from "../dkg/runCeremony.ts";

export type RotationTarget = { deployment: Deployment.Deployment; rpcUrl: string };

/** A rotateKey call behind ParamGovernor's timelock, the same one each time it is made from the same key file. */
export type Rotation = {
  governor: Hex;
  operationId: Hex;
  delaySeconds: bigint;
  /** Calldata for the governor, from a proposer. */
  schedule: Hex;
  /** Calldata for the governor, from an executor, once the delay is over. */
  execute: Hex;
  state: "unset" | "waiting" | "ready" | "done";
};

const STATES = ["unset", "waiting", "ready", "done"] as const;

type Operation = readonly [target: Hex, value: bigint, payload: Hex, predecessor: Hex, salt: Hex];

const operationOf = ({ deployment }: RotationTarget, key: GroupKey): Operation => {
  const payload = encodeFunctionData({
    abi: usageReceiptsAbi,
    functionName: "rotateKey",
    args: [key.laneId, key.groupPublicKey, key.possessionProof],
  });
  const salt = keccak256(
    encodeAbiParameters(
      [{ type: "string" }, { type: "uint32" }, { type: "uint32" }, { type: "bytes32" }],
      ["tac-rotation", key.laneId, key.keyEpoch, key.transcriptHash],
    ),
  );
  return [deployment.usageReceipts, 0n, payload, zeroHash, salt];
};

const chainOf = async ({ deployment, rpcUrl }: RotationTarget): Promise<Chain> => {
  const chain = createChain({ rpcUrls: [rpcUrl], chainId: deployment.chainId });
  await assertChainId(chain);
  return chain;
};

/** What the governor is to be sent, and how far it is. Errors: an Error when the lane is not in the epoch before the key's. */
export const readRotation = async (target: RotationTarget, key: GroupKey): Promise<Rotation> => {
  const chain = await chainOf(target);
  const { paramGovernor: address, usageReceipts } = target.deployment;
  const operation = operationOf(target, key);
  const governor = { address, abi: paramGovernorAbi } as const;
  const [delaySeconds, operationId] = await Promise.all([
    chain.readContract({ ...governor, functionName: "getMinDelay" }),
    chain.readContract({ ...governor, functionName: "hashOperation", args: operation }),
  ]);
  const [stateIndex, { keyEpoch }] = await Promise.all([
    chain.readContract({ ...governor, functionName: "getOperationState", args: [operationId] }),
    chain.readContract({
      address: usageReceipts,
      abi: usageReceiptsAbi,
      functionName: "laneOf",
      args: [key.laneId],
    }),
  ]);
  const state = STATES[stateIndex] ?? "unset";
  if (state !== "done" && keyEpoch + 1 !== key.keyEpoch)
    throw new Error(
      `Lane ${key.laneId} is in key epoch ${keyEpoch}; the shares of this key are for epoch ${key.keyEpoch}. Hold the ceremony again.`,
    );
  return {
    governor: address,
    operationId,
    delaySeconds,
    schedule: encodeFunctionData({
      abi: paramGovernorAbi,
      functionName: "schedule",
      args: [...operation, delaySeconds],
    }),
    execute: encodeFunctionData({ abi: paramGovernorAbi, functionName: "execute", args: operation }),
    state,
  };
};

/** Sends one of the two calls with the governor's key. Errors: ChainRevert with the contract's reason. */
export const sendRotation = async (
  target: RotationTarget,
  key: GroupKey,
  step: "schedule" | "execute",
  privateKey: Hex,
): Promise<Hex> => {
  const { paramGovernor: address } = target.deployment;
  const { delaySeconds } = await readRotation(target, key);
  const operation = operationOf(target, key);
  const sender = createSender({
    chain: await chainOf(target),
    settings: { rpcUrls: [target.rpcUrl], chainId: target.deployment.chainId },
    privateKey,
    errorAbi: usageReceiptsAbi,
  });
  const args = step === "schedule" ? [...operation, delaySeconds] : operation;
  const { transactionHash } = await sender.send({ address, abi: paramGovernorAbi, functionName: step, args });
  return transactionHash;
};
