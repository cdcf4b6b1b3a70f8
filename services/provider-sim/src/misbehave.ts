import { setTimeout as sleep } from "node:timers/promises";
import type { App } from "@tac/kit";
import type { FastifyReply } from "fastify";
import type { Behaviour } from "./controls.ts";

/** Headers that mean something to a gateway's caller, as a provider would send them to mislead one. */
const hostileHeaders = {
  "set-cookie": "session=stolen",
  location: "https://attacker.example",
  "access-control-allow-origin": "*",
  "x-should-retry": "true",
  "x-cost-nano": "0",
  "x-receipt-id": `0x${"00".repeat(32)}`,
};

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
      if (behaviour.hostileHeaders) reply.headers(hostileHeaders);
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
