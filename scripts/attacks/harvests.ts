import { DpopProof, Header, UsageReceipt } from "@tac/protocol";
import { request } from "undici";
import { openAgent, type Trust } from "../stack/health.ts";
import { urlOf } from "../stack/urlOf.ts";
import { type Attack, type AttackGroup, closed, type Outcome, refused } from "./Attack.ts";
import { CHAT, codeOf } from "./Attacker.ts";
import { chatBody, type Scene } from "./Scene.ts";

/**
 * Sends what one provider has seen of a call (token, proof, receipt id) straight to another one. The thief even has that
 * provider's API key.
 */
const present = async (scene: Scene, trust: Trust): Promise<Outcome> => {
  const { stack, honest, victim } = scene;
  const body = chatBody();
  const proof = honest.proofFor({ body, token: victim.token });
  const gateway = stack.keys.gateway.account.address;
  const { jobId } = victim.job;
  const apiKey = stack.keys.providers.get(1)?.apiKey ?? "";
  const dispatcher = openAgent(trust);
  try {
    const answer = await request(`${urlOf(stack.layout, "provider-sim-1")}${CHAT}`, {
      dispatcher,
      method: "POST",
      body,
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${apiKey}`,
        [Header.usageAuth]: victim.token,
        [Header.callerProof]: proof,
        [Header.receiptId]: UsageReceipt.receiptId({ gateway, jobId, claims: DpopProof.parse(proof).claims }),
        [Header.jobId]: jobId,
      },
    });
    return { status: answer.statusCode, code: codeOf(await answer.body.text()) };
  } catch {
    return closed;
  } finally {
    await dispatcher.close();
  }
};

const withCertificateOf = (name: string, party: string | null, expected: Outcome): Attack => ({
  name,
  expected,
  isAtProvider: true,
  run: (scene) => {
    const { caFile, of } = scene.stack.certificates;
    return present(scene, party === null ? caFile : { caFile, ...of(party) });
  },
});

export const harvests: AttackGroup[] = [
  {
    name: "A token harvested by one provider, at another",
    attacks: [
      withCertificateOf("without a client certificate", null, closed),
      withCertificateOf("with the first provider's own certificate", "provider-sim-2", closed),
      withCertificateOf(
        "with an aggregator's certificate",
        "aggregator-1",
        refused(403, "certificate_required"),
      ),
      withCertificateOf("with an operator's certificate", "operator", refused(403, "certificate_required")),
    ],
  },
];
