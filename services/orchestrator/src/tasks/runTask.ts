import { ProtocolError } from "@tac/protocol";
import { type CallResult, embeddingsOf, type Job, type StepInput, type StepResults, textOf } from "@tac/sdk";
import { checkTaskBudget } from "../budget/reserveBudget.ts";
import { fillIn, type TaskStep } from "../planner/TaskStep.ts";
import { checkOutput } from "../safety/checkOutput.ts";
import { redact } from "../safety/redact.ts";
import type { PreparedTask } from "./prepareTask.ts";
import type { TaskContext } from "./TaskContext.ts";
import { taskHolder } from "./taskHolder.ts";

/** What a step gave: the answer of a chat, or the vectors of its text. Kept in memory alone. */
export type StepOutput = { text: string } | { embeddings: number[][] };
export type TaskOutputs = Record<string, StepOutput>;

/** Quotes, locks and runs a prepared task; gives the outputs and leaves the job open. `onSigned` gets the job early. */
export async function runTask(
  context: TaskContext,
  prepared: PreparedTask,
  onSigned: (job: Job) => void,
): Promise<{ job: Job; outputs: TaskOutputs }> {
  const job = await lockTask(context, prepared, onSigned);
  const outputs = await runSteps(context, prepared, job);
  return { job, outputs };
}

async function lockTask(
  { audit, client, policy, tasks, tenantPrivateKey }: TaskContext,
  { taskId, plan, ceilingNano }: PreparedTask,
  onSigned: (job: Job) => void,
): Promise<Job> {
  const quoted = await client.quote(plan);
  const quotedNano = quoted.signedQuote.quote.ceilingNano;
  // The tariff may have changed since the plan was made; the reservation is the most that may be locked.
  checkTaskBudget(quotedNano, ceilingNano, {
    perTaskNano: policy.maxSpendNanoPerTask,
    perDayNano: policy.maxSpendNanoPerDay,
  });
  await audit.append(taskId, "quoted", { quoteHash: quoted.quoteHash, ceilingNano: quotedNano.toString() });
  const job = await client.lock(quoted, undefined, {
    holder: taskHolder(tenantPrivateKey, taskId),
    async onSigned(signed) {
      onSigned(signed);
      await tasks.update(taskId, { status: "running", job: client.exportJob(signed) });
    },
  });
  await tasks.update(taskId, { job: client.exportJob(job) });
  await audit.append(taskId, "locked", {
    jobId: job.jobId,
    capabilityHash: job.capabilityHash,
    holder: job.capability.holder,
    maxSpendNano: job.capability.maxSpendNano.toString(),
    transactionHash: job.lock?.transactionHash ?? null,
    blockNumber: job.lock?.blockNumber.toString() ?? null,
  });
  return job;
}

async function runSteps(context: TaskContext, prepared: PreparedTask, job: Job): Promise<TaskOutputs> {
  const { client, policy, tasks } = context;
  const { taskId } = prepared;
  const outputs: TaskOutputs = {};
  const inputs = Object.fromEntries(
    prepared.steps.map((step) => [step.id, (results: StepResults) => inputOf(context, step, results)]),
  );
  for await (const event of client.run(job, inputs)) {
    if (event.type === "call-end") await recordCall(context, taskId, job, event.stepId, event.result);
    if (event.type !== "step-end") continue;
    const results = { [event.stepId]: event.results };
    const isChat = event.results[0]?.kind === "chat";
    if (isChat) checkOutput(textOf(results, event.stepId), event.stepId, policy);
    outputs[event.stepId] = isChat
      ? { text: textOf(results, event.stepId) }
      : { embeddings: embeddingsOf(results, event.stepId) };
    const task = await tasks.find(taskId);
    const { receiptIds, stepId } = event;
    const costNano = event.costNano.toString();
    const steps = task?.steps.map((step) =>
      step.stepId === stepId ? { ...step, costNano, receiptIds } : step,
    );
    if (steps) await tasks.update(taskId, { steps });
  }
  if (prepared.steps.some(({ id }) => !(id in outputs))) {
    throw new ProtocolError("internal", { detail: "A step ended without a result." });
  }
  return outputs;
}

/** An earlier answer may repeat personal data the model made up or knew, so what is filled in is redacted too. */
function inputOf({ policy }: TaskContext, step: TaskStep, results: StepResults): StepInput {
  const text = fillIn(step, (stepId) => {
    const answer = redact(textOf(results, stepId), policy.phoneCountry).text;
    checkOutput(answer, stepId, policy);
    return answer;
  });
  if (step.kind === "embeddings") return { input: text };
  return { messages: [{ role: "user", content: text }] };
}

/** The trail names the gateway's own signed hashes of request and answer, so it can be compared with the batch. */
async function recordCall(
  { audit, client }: TaskContext,
  taskId: string,
  job: Job,
  stepId: string,
  { receiptId, costNano }: CallResult,
): Promise<void> {
  const { receipt, signature } = await client.receipt(job, receiptId);
  await audit.append(taskId, "called", {
    stepId,
    receiptId,
    costNano: costNano.toString(),
    providerId: receipt.providerId,
    tariffHash: receipt.tariffHash,
    requestHash: receipt.requestHash,
    responseHash: receipt.responseHash,
    proofHash: receipt.proofHash,
    receiptSignature: signature,
  });
}
