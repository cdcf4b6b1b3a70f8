import type { Hex } from "viem";

/**
 * `completed`: all steps are done and the job is closed; `settled`: its settlement is on chain too;
 * `failed_resumable`: the process ended in between, so the task may be sent again.
 */
export type TaskStatus = "accepted" | "running" | "completed" | "settled" | "failed" | "failed_resumable";

export type TaskStepState = {
  stepId: string;
  kind: string;
  model: string;
  providerId: number;
  ceilingNano: string;
  costNano: string | null;
  receiptIds: Hex[];
};

export type TaskSettlement = {
  batchNumber: string;
  batchHash: Hex;
  transactionHash: Hex;
  blockNumber: string;
};

/** What the store knows of a task; prompts and answers are not among it. */
export type Task = {
  taskId: string;
  tenant: string;
  status: TaskStatus;
  requestHash: Hex;
  maxSpendNano: bigint;
  reservedNano: bigint;
  spentNano: bigint;
  planHash: Hex | null;
  /** An exported job, without its private key. */
  job: unknown;
  isJobClosed: boolean;
  steps: TaskStepState[];
  settlements: TaskSettlement[];
  errorCode: string | null;
  createdAtMs: number;
  updatedAtMs: number;
};
