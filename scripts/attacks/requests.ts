import { type Attack, type AttackGroup, closed, type Outcome, refused } from "./Attack.ts";
import { CHAT } from "./Attacker.ts";
import { sendRaw } from "./RawConnection.ts";
import { chatBody, type Scene } from "./Scene.ts";

const call = ({ victim }: Scene) => ({ body: chatBody(), token: victim.token });

const twice = (header: string, good: (scene: Scene) => string, status: number, code: string): Attack => ({
  name: `the header ${header} sent twice`,
  expected: refused(status, code),
  run: (scene) => scene.honest.send({ ...call(scene), headers: { [header]: [good(scene), "another"] } }),
});

const media = (name: string, value: string): Attack => ({
  name: `Content-Type ${name}`,
  expected: refused(415, "unsupported_media_type"),
  run: (scene) => scene.honest.send({ ...call(scene), headers: { "content-type": value } }),
});

const headersAndTypes: Attack[] = [
  twice("dpop", (scene) => scene.honest.proofFor(call(scene)), 401, "invalid_proof"),
  twice("usage-auth", ({ victim }) => victim.token, 401, "invalid_usage_auth"),
  twice("idempotency-key", () => "once", 400, "invalid_request"),
  media("with a tab", "application/json\t; charset=utf-8"),
  media("with trailing text", "application/json x"),
  media("of another kind", "text/plain"),
  {
    name: "a compressed body",
    expected: refused(415, "unsupported_media_type"),
    run: (scene) => scene.honest.send({ ...call(scene), headers: { "content-encoding": "gzip" } }),
  },
  {
    name: "no limit to the cost in the proof",
    expected: refused(401, "invalid_proof"),
    run: (scene) => scene.honest.send({ ...call(scene), maxCostNano: null }),
  },
];

const hostOf = ({ origin }: Scene): string => new URL(origin).host;

const raw = (name: string, expected: Outcome, bytes: (scene: Scene) => string): Attack => ({
  name,
  expected,
  run: (scene) => sendRaw(scene.origin, scene.ca, bytes(scene)),
});

/** An honest call as bytes, with the given lines among its headers, and `body` in place of its own. */
const wire = (scene: Scene, lines: readonly string[], body = chatBody()): string =>
  [
    `POST ${CHAT} HTTP/1.1`,
    `host: ${hostOf(scene)}`,
    "content-type: application/json",
    `usage-auth: ${scene.victim.token}`,
    `dpop: ${scene.honest.proofFor(call(scene))}`,
    "connection: close",
    ...lines,
    "",
    body,
  ].join("\r\n");

const badRequest = refused(400, "");
const length = (body: string): string => `content-length: ${Buffer.byteLength(body)}`;

const smuggling: Attack[] = [
  raw("Content-Length beside Transfer-Encoding", badRequest, (scene) =>
    wire(
      scene,
      [length(chatBody()), "transfer-encoding: chunked"],
      `0\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n`,
    ),
  ),
  raw("two different Content-Lengths", badRequest, (scene) =>
    wire(scene, ["content-length: 4", length(chatBody())]),
  ),
  raw("an obscured Transfer-Encoding", badRequest, (scene) =>
    wire(scene, ["transfer-encoding : chunked", length(chatBody())]),
  ),
  raw("a folded header line", badRequest, (scene) =>
    wire(scene, ["x-note: one", " usage-auth: two", length(chatBody())]),
  ),
  raw("a bare line feed between header lines", badRequest, (scene) =>
    wire(scene, [`x-note: one\nusage-auth: two`, length(chatBody())]),
  ),
  raw("a negative Content-Length", badRequest, (scene) => wire(scene, ["content-length: -1"])),
  raw("headers larger than the server reads", refused(431, ""), (scene) =>
    wire(scene, [`x-note: ${"a".repeat(20_000)}`, length(chatBody())]),
  ),
  raw("an absolute request target of another origin", refused(401, "invalid_proof"), (scene) =>
    wire(scene, [length(chatBody())]).replace(CHAT, `http://169.254.169.254${CHAT}`),
  ),
  raw("a path with dots and encoded slashes", refused(404, "unknown_route"), (scene) =>
    wire(scene, [length(chatBody())]).replace(CHAT, "/v1/models/..%2f..%2fv1/chat/completions"),
  ),
  raw("a path in another case", refused(404, "unknown_route"), (scene) =>
    wire(scene, [length(chatBody())]).replace(CHAT, "/V1/Chat/Completions"),
  ),
  {
    name: "an encoded spelling of the path, with a proof for that spelling",
    expected: refused(401, "invalid_proof"),
    run: (scene) => scene.honest.send({ ...call(scene), path: "/v1/%63hat/completions" }),
  },
  raw("a body larger than 10 MiB is announced", refused(413, "body_too_large"), (scene) =>
    wire(scene, ["content-length: 99999999"], ""),
  ),
];

const transport: Attack[] = [
  {
    name: "TLS 1.2, whose exporter binds nothing",
    expected: closed,
    run: (scene) =>
      sendRaw(scene.origin, scene.ca, wire(scene, [length(chatBody())]), { maxVersion: "TLSv1.2" }),
  },
  {
    name: "plain HTTP to the same port",
    expected: closed,
    run: async ({ origin }) => {
      const answer = await fetch(`${origin.replace("https:", "http:")}/v1/models`).catch(() => null);
      return answer === null ? closed : { status: answer.status, code: "" };
    },
  },
];

const bodies: Attack[] = [
  {
    name: "JSON nested a hundred thousand deep",
    expected: refused(400, "invalid_request"),
    run: (scene) =>
      scene.honest.send({
        ...call(scene),
        body: `{"model":"sim-chat-small","messages":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
      }),
  },
  {
    name: "__proto__ in the body",
    expected: refused(400, "cost_unbounded"),
    run: (scene) =>
      scene.honest.send({
        ...call(scene),
        body: '{"model":"sim-chat-small","messages":[{"role":"user","content":"hi"}],"max_tokens":5,"__proto__":{"n":99}}',
      }),
  },
  {
    name: "two values for one member: the provider gets the one that was held for",
    expected: { status: 200, code: "one_reading" },
    isPaid: true,
    run: async (scene) => {
      const body =
        '{"model":"sim-chat-small","messages":[{"role":"user","content":"hi"}],"max_tokens":300,"max_tokens":1}';
      const { status, text } = await scene.honest.send({ ...call(scene), body });
      const { usage } = JSON.parse(text) as { usage: { completion_tokens: number } };
      return { status, code: usage.completion_tokens === 1 ? "one_reading" : "two_readings" };
    },
  },
  {
    name: "a cost that cannot be bounded: images by reference",
    expected: refused(400, "cost_unbounded"),
    run: (scene) =>
      scene.honest.send({
        ...call(scene),
        body: chatBody({
          messages: [
            {
              role: "user",
              content: [{ type: "image_url", image_url: { url: "http://169.254.169.254/latest" } }],
            },
          ],
        }),
      }),
  },
];

export const requests: AttackGroup[] = [
  { name: "Headers and media types", attacks: headersAndTypes },
  { name: "Smuggling", attacks: smuggling },
  { name: "Transport", attacks: transport },
  { name: "Bodies", attacks: bodies },
];
