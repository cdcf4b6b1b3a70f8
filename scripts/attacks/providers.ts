import { type AttackGroup, type Outcome, refused } from "./Attack.ts";
import { chatBody, type Scene } from "./Scene.ts";

const call = ({ victim }: Scene, fields: object = {}) => ({ body: chatBody(fields), token: victim.token });

/** What the simulated provider sends along when it is told to be hostile, and the gateway must not pass on. */
const OURS = ["set-cookie", "location", "access-control-allow-origin", "x-should-retry"];

const injectHeaders = async (scene: Scene): Promise<Outcome> => {
  const metadata = { "x-sim-hostile-headers": "true" };
  const { status, headers } = await scene.honest.send(call(scene, { metadata }));
  const passed = OURS.filter((name) => headers[name] !== undefined);
  if (headers["x-cost-nano"] === "0") passed.push("x-cost-nano");
  if (headers["x-receipt-id"] === `0x${"00".repeat(32)}`) passed.push("x-receipt-id");
  return { status, code: passed.length === 0 ? "headers_dropped" : `let through: ${passed.join(", ")}` };
};

export const providers: AttackGroup[] = [
  {
    name: "Addresses chosen by the caller",
    attacks: [
      ...["api_base", "base_url", "api_key", "deployment_id"].map((field) => ({
        name: `${field} in the body`,
        expected: refused(400, "cost_unbounded"),
        run: (scene: Scene) => scene.honest.send(call(scene, { [field]: "http://169.254.169.254/latest" })),
      })),
      {
        name: "a URL as the model's name",
        expected: refused(404, "unknown_model"),
        run: (scene) => scene.honest.send(call(scene, { model: "http://127.0.0.1:1/v1" })),
      },
      {
        name: "a provider that does not exist",
        expected: refused(403, "provider_not_allowed"),
        run: (scene) => scene.honest.send({ ...call(scene), headers: { "x-provider-id": "4000000000" } }),
      },
      {
        name: "a provider written as an address",
        expected: refused(400, "invalid_request"),
        run: (scene) => scene.honest.send({ ...call(scene), headers: { "x-provider-id": "127.0.0.1:22" } }),
      },
      {
        name: "a URL in the input of /v1/execute",
        expected: refused(400, "cost_unbounded"),
        run: ({ honest, victim }) => {
          const input = {
            messages: [{ role: "user", content: "hi" }],
            max_tokens: 1,
            url: "http://127.0.0.1/",
          };
          const body = JSON.stringify({ kind: "chat", model: "sim-chat-small", input });
          return honest.send({ path: "/v1/execute", body, token: victim.token });
        },
      },
    ],
  },
  {
    name: "Hostile providers",
    attacks: [
      {
        name: "an answer that sets the gateway's own headers",
        expected: { status: 200, code: "headers_dropped" },
        isPaid: true,
        run: injectHeaders,
      },
    ],
  },
];
