import { Plan } from "@tac/protocol";
import { checkTaskBudget, reserveBudget } from "../budget/reserveBudget.ts";
import { type PlannedTask, planTask } from "../planner/planTask.ts";
import { type TaskRequest, type TaskStep, toSteps } from "../planner/TaskStep.ts";
import { checkWishes } from "../policy/Policy.ts";
import { type Redacted, redact } from "../safety/redact.ts";
import type { TaskContext } from "./TaskContext.ts";

/** A task that may run: its texts are redacted, its plan is within budget, its worst case is reserved. */
export type PreparedTask = PlannedTask & { taskId: string; steps: TaskStep[] };

/**
 * Policy, redaction, plan, budget, in this order: whatever refuses does so before anything is signed or leaves.
 * Throws `policy_refused` and its kin, `unknown_model`, `over_budget`, `store_unavailable`.
 */
export async function prepareTask(
  context: TaskContext,
  taskId: string,
  request: TaskRequest,
): Promise<PreparedTask> {
  const { audit, policy, pool, tasks } = context;
  const wishes = toSteps(request);
  checkWishes(policy, wishes);
  const redacted = wishes.map((step) => ({ step, ...redact(step.text, policy.phoneCountry) }));
  const steps = redacted.map(({ step, text }) => ({ ...step, text }));
  await audit.append(taskId, "redacted", { counts: sumCounts(redacted) });

  const planned = planTask(steps, await context.fetchTariffs(), policy);
  const planHash = Plan.hash(planned.plan);
  const choices = planned.choices.map((choice) => ({
    ...choice,
    ceilingNano: choice.ceilingNano.toString(),
  }));
  await audit.append(taskId, "planned", { planHash, ceilingNano: planned.ceilingNano.toString(), choices });
  await tasks.update(taskId, {
    planHash,
    steps: choices.map(({ stepId, kind, model, providerId, ceilingNano }) => ({
      ...{ stepId, kind, model, providerId, ceilingNano },
      costNano: null,
      receiptIds: [],
    })),
  });

  const caps = { perTaskNano: policy.maxSpendNanoPerTask, perDayNano: policy.maxSpendNanoPerDay };
  checkTaskBudget(planned.ceilingNano, request.maxSpendNano, caps);
  await reserveBudget(pool, taskId, planned.ceilingNano, caps);
  await audit.append(taskId, "reserved", { amountNano: planned.ceilingNano.toString() });
  return { ...planned, taskId, steps };
}

function sumCounts(redacted: readonly Redacted[]): Redacted["counts"] {
  const sum = { iban: 0, email: 0, card: 0, phone: 0 };
  for (const { counts } of redacted) {
    sum.iban += counts.iban;
    sum.email += counts.email;
    sum.card += counts.card;
    sum.phone += counts.phone;
  }
  return sum;
}
