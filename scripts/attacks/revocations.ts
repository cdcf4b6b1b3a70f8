import { setTimeout as sleep } from "node:timers/promises";
import { capabilityAuthorityAbi } from "@tac/contracts/abi";
import { send } from "../stack/send.ts";
import { type AttackGroup, refused } from "./Attack.ts";
import { chatBody } from "./Scene.ts";

const PATIENCE_MS = 10_000;

export const revocations: AttackGroup[] = [
  {
    name: "Revoked",
    attacks: [
      {
        name: "a capability that its tenant has revoked on chain",
        expected: refused(403, "capability_revoked"),
        run: async (scene) => {
          const { account, job, holder, token } = await scene.open();
          const thief = await scene.connect(holder);
          await send(scene.stack.chain.client, account, {
            address: scene.stack.deployment.capabilityAuthority,
            abi: capabilityAuthorityAbi,
            functionName: "revoke",
            args: [job.capability.salt],
          });
          // Signed for one nanocredit, the call is refused for its price until it is refused for the revocation.
          const call = { body: chatBody(), token, maxCostNano: 1n };
          for (const deadline = Date.now() + PATIENCE_MS; ; await sleep(100)) {
            const outcome = await thief.send(call);
            if (outcome.code !== "over_max_cost" || Date.now() > deadline) return outcome;
          }
        },
      },
    ],
  },
];
