import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { urlOf } from "../stack/urlOf.ts";
import type { StackOf } from "./support.ts";

type Task = { taskId: string; status: string };

export const orchestrates = (stackOf: StackOf): void => {
  describe("the orchestrator", () => {
    test("plans and runs a job of two steps through the SDK, and follows it to its transaction", async () => {
      const { layout, keys } = stackOf();
      const base = urlOf(layout, "orchestrator");
      const headers = {
        authorization: `Bearer ${keys.tokens.orchestrator}`,
        "content-type": "application/json",
      };
      const body = JSON.stringify({
        goal: "Explain why prepaid credit should be provable.",
        maxSpendNano: "500000000",
      });
      const created = await fetch(`${base}/v1/tasks`, { method: "POST", headers, body });
      const answer = await created.text();
      expect(created.status, answer).toBeLessThan(300);
      const { taskId } = JSON.parse(answer) as Task;

      let task: Task = { taskId, status: "" };
      for (let tries = 0; tries < 200 && !["settled", "failed"].includes(task.status); tries += 1) {
        await sleep(300);
        task = (await (await fetch(`${base}/v1/tasks/${taskId}`, { headers })).json()) as Task;
      }
      expect(task.status, JSON.stringify(task)).toBe("settled");
      expect(JSON.stringify(task)).toMatch(/0x[0-9a-f]{64}/);
      const trail = await fetch(`${base}/v1/tasks/${taskId}/audit`, { headers });
      expect(trail.status).toBe(200);
    });
    test("refuses a call without its token", async () => {
      const response = await fetch(`${urlOf(stackOf().layout, "orchestrator")}/v1/tasks`, { method: "POST" });
      expect(response.status).toBe(401);
    });
  });
};
