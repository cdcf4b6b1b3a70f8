import { setTimeout as sleep } from "node:timers/promises";
import type { App } from "@tac/kit";
import type { FastifyReply } from "fastify";
import type { Behaviour } from "./controls.ts";

/**
 * Acts out latency, failures and silence before an answer.
 * `before` resolves to true when the call is over: it was failed, or is left hanging until its client gives up.
 */
export const createMisbehaviour = (app: App, random: () => number) => {
  const hanging = new Set<FastifyReply>();
  app.addHook("preClose", async () => {
    for (const reply of hanging) reply.raw.destroy();
  });
  return {
    before: async (reply: FastifyReply, behaviour: Behaviour): Promise<boolean> => {
      if (behaviour.hang) {
        hanging.add(reply);
        reply.hijack();
        reply.raw.once("close", () => hanging.delete(reply));
        return true;
      }
      if (behaviour.latencyMs > 0) await sleep(behaviour.latencyMs);
      if (behaviour.failureRate === 0 || random() >= behaviour.failureRate) return false;
      const message = "The simulator was told to fail.";
      await reply
        .code(behaviour.failureStatus)
        .send({ error: { message, type: "simulated_failure", param: null, code: "simulated_failure" } });
      return true;
    },
  };
};
