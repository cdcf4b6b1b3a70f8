import { createHmac, createPublicKey, randomBytes, sign } from "node:crypto";
import { HolderKey, PrivateKey } from "@tac/protocol";
import { type Attack, type AttackGroup, refused } from "./Attack.ts";
import { CHAT } from "./Attacker.ts";
import { chatBody, type Scene } from "./Scene.ts";

const encode = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString("base64url");
const decode = (part: string | undefined): Record<string, unknown> =>
  JSON.parse(Buffer.from(part ?? "", "base64url").toString());

const invalid = refused(401, "invalid_proof");
const call = ({ victim }: Scene) => ({ body: chatBody(), token: victim.token });

/** The victim's own proof with its header and payload rewritten; the signature stays unless `resign` makes one. */
const rewritten = (
  scene: Scene,
  header: object,
  payload: object,
  resign?: (signingInput: string) => Buffer,
): string => {
  const [head, body, signature] = scene.honest.proofFor(call(scene)).split(".");
  const signingInput = `${encode({ ...decode(head), ...header })}.${encode({ ...decode(body), ...payload })}`;
  return `${signingInput}.${resign?.(signingInput).toString("base64url") ?? signature}`;
};

/** A free request: it spends a proof as a paid one does, and leaves nothing to pay. */
const readJob = ({ victim }: Scene) => ({
  method: "GET" as const,
  path: `/v1/jobs/${victim.job.jobId}`,
  token: victim.token,
});

const replays: Attack[] = [
  {
    name: "a proof sent again, as it was",
    expected: refused(401, "proof_replayed"),
    run: async (scene) => {
      const read = readJob(scene);
      const proof = scene.honest.proofFor(read);
      const first = await scene.honest.send({ ...read, proof });
      if (first.status !== 200) throw new Error(`The honest request was refused: ${first.text}`);
      return scene.honest.send({ ...read, proof });
    },
  },
  {
    name: "a used proof with a second signature over the same content",
    expected: refused(401, "proof_replayed"),
    run: async (scene) => {
      const read = readJob(scene);
      const proof = scene.honest.proofFor(read);
      await scene.honest.send({ ...read, proof });
      const signingInput = proof.slice(0, proof.lastIndexOf("."));
      const key = { key: scene.victim.holder.privateKey, dsaEncoding: "ieee-p1363" as const };
      const again = sign("sha256", Buffer.from(signingInput), key).toString("base64url");
      return scene.honest.send({ ...read, proof: `${signingInput}.${again}` });
    },
  },
];

const moved: Attack[] = [
  {
    name: "a stolen proof on another connection",
    expected: refused(401, "binding_mismatch"),
    run: (scene) => scene.attacker.send({ ...call(scene), proof: scene.honest.proofFor(call(scene)) }),
  },
  {
    name: "a proof without the connection's exporter",
    expected: refused(401, "binding_mismatch"),
    run: (scene) => {
      const { ekm: _ekm, ...payload } = decode(scene.honest.proofFor(call(scene)).split(".")[1]);
      const header = decode(scene.honest.proofFor(call(scene)).split(".")[0]);
      const signingInput = `${encode(header)}.${encode(payload)}`;
      const key = { key: scene.victim.holder.privateKey, dsaEncoding: "ieee-p1363" as const };
      const signature = sign("sha256", Buffer.from(signingInput), key).toString("base64url");
      return scene.honest.send({ ...call(scene), proof: `${signingInput}.${signature}` });
    },
  },
  {
    name: "a proof for another method",
    expected: invalid,
    run: (scene) =>
      scene.honest.send({ ...call(scene), proof: scene.honest.proofFor({ ...call(scene), method: "GET" }) }),
  },
  {
    name: "a proof for another path",
    expected: invalid,
    run: (scene) =>
      scene.honest.send({
        ...call(scene),
        proof: scene.honest.proofFor({ ...call(scene), path: "/v1/embeddings" }),
      }),
  },
  {
    name: "a proof for another body",
    expected: invalid,
    run: (scene) =>
      scene.honest.send({
        ...call(scene),
        proof: scene.honest.proofFor({ ...call(scene), body: chatBody({ max_tokens: 4 }) }),
      }),
  },
  {
    name: "a proof for another token of the same key",
    expected: invalid,
    run: (scene) =>
      scene.honest.send({
        ...call(scene),
        proof: scene.honest.proofFor({ ...call(scene), token: scene.other.token }),
      }),
  },
  {
    name: "a proof for another gateway",
    expected: invalid,
    run: (scene) => scene.honest.send({ ...call(scene), claims: { url: `https://gateway.example${CHAT}` } }),
  },
  {
    name: "another tenant's token with the attacker's own proof",
    expected: invalid,
    run: (scene) => scene.attacker.send(call(scene)),
  },
  {
    name: "a proof for another Idempotency-Key",
    expected: invalid,
    run: (scene) =>
      scene.honest.send({
        ...call(scene),
        claims: { idempotencyKey: "paid-once" },
        headers: { "idempotency-key": "paid-twice" },
      }),
  },
  {
    name: "a proof whose cost limit was raised after signing",
    expected: invalid,
    run: (scene) =>
      scene.honest.send({ ...call(scene), proof: rewritten(scene, {}, { maxCostNano: "9000000000" }) }),
  },
];

const nowSeconds = (): number => Math.floor(Date.now() / 1000);

const times: Attack[] = [
  {
    name: "a proof from the future",
    expected: invalid,
    run: (scene) => scene.honest.send({ ...call(scene), claims: { nowSeconds: nowSeconds() + 300 } }),
  },
  {
    name: "a stale proof",
    expected: invalid,
    run: (scene) => scene.honest.send({ ...call(scene), claims: { nowSeconds: nowSeconds() - 300 } }),
  },
  {
    name: "a nonce that the gateway never gave",
    expected: refused(401, "use_dpop_nonce"),
    run: (scene) =>
      scene.honest.send({ ...call(scene), claims: { nonce: randomBytes(22).toString("base64url") } }),
  },
  {
    name: "a nonce with one bit changed",
    expected: refused(401, "use_dpop_nonce"),
    run: (scene) => {
      const bytes = Buffer.from(scene.honest.nonce, "base64url");
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
      return scene.honest.send({ ...call(scene), claims: { nonce: bytes.toString("base64url") } });
    },
  },
  {
    name: "a nonce spelt in another way",
    expected: refused(401, "use_dpop_nonce"),
    run: (scene) => scene.honest.send({ ...call(scene), claims: { nonce: `${scene.honest.nonce}=` } }),
  },
];

const p384 = PrivateKey.generate("P-384");
const k256 = PrivateKey.generate("secp256k1");
const rsa = PrivateKey.generate("RSA");
const small = PrivateKey.generate("Ed25519");

const algorithms: Attack[] = [
  {
    name: "alg none, with and without a signature",
    expected: invalid,
    run: async (scene) => {
      const unsigned = rewritten(scene, { alg: "none" }, {}, () => Buffer.alloc(0));
      const first = await scene.honest.send({ ...call(scene), proof: unsigned });
      if (first.code !== "invalid_proof") return first;
      return scene.honest.send({ ...call(scene), proof: rewritten(scene, { alg: "none" }, {}) });
    },
  },
  {
    name: "HS256 keyed with the victim's public key",
    expected: invalid,
    run: (scene) =>
      scene.honest.send({
        ...call(scene),
        proof: rewritten(scene, { alg: "HS256" }, {}, (input) =>
          createHmac("sha256", JSON.stringify(scene.victim.holder.jwk)).update(input).digest(),
        ),
      }),
  },
  {
    name: "a symmetric key in the header",
    expected: invalid,
    run: (scene) => {
      const secret = randomBytes(32);
      const jwk = { kty: "oct", k: secret.toString("base64url") };
      const proof = rewritten(scene, { alg: "HS256", jwk }, {}, (input) =>
        createHmac("sha256", secret).update(input).digest(),
      );
      return scene.honest.send({ ...call(scene), proof });
    },
  },
  ...[
    { name: "P-384", alg: "ES384", key: p384 },
    { name: "secp256k1", alg: "ES256K", key: k256 },
    { name: "RSA", alg: "RS256", key: rsa },
    { name: "Ed25519", alg: "EdDSA", key: small },
  ].map(
    ({ name, alg, key }): Attack => ({
      name: `a key of another kind: ${name}`,
      expected: invalid,
      run: (scene) => {
        const jwk = createPublicKey(key).export({ format: "jwk" });
        const digest = alg === "EdDSA" ? null : "sha256";
        const proof = rewritten(scene, { alg, jwk }, {}, (input) =>
          sign(digest, Buffer.from(input), { key, dsaEncoding: "ieee-p1363" }),
        );
        return scene.honest.send({ ...call(scene), proof });
      },
    }),
  ),
  {
    name: "a point that is not on P-256",
    expected: invalid,
    run: (scene) => {
      const jwk = { ...scene.victim.holder.jwk, y: randomBytes(32).toString("base64url") };
      return scene.honest.send({ ...call(scene), proof: rewritten(scene, { jwk }, {}) });
    },
  },
  {
    name: "the attacker's key in the header, the victim's signature below",
    expected: invalid,
    run: (scene) => {
      const { jwk } = HolderKey.generate();
      return scene.honest.send({ ...call(scene), proof: rewritten(scene, { jwk }, {}) });
    },
  },
  {
    name: "the victim's key in the header, the attacker's signature below",
    expected: invalid,
    run: (scene) => {
      const key = { key: scene.attacker.holder.privateKey, dsaEncoding: "ieee-p1363" as const };
      const proof = rewritten(scene, {}, {}, (input) => sign("sha256", Buffer.from(input), key));
      return scene.honest.send({ ...call(scene), proof });
    },
  },
  {
    name: "unknown critical header members",
    expected: invalid,
    run: (scene) =>
      scene.honest.send({ ...call(scene), proof: rewritten(scene, { crit: ["b64"], b64: false }, {}) }),
  },
  {
    name: "a proof larger than any honest one",
    expected: invalid,
    run: (scene) => scene.honest.send({ ...call(scene), proof: `${"A".repeat(6_000)}.e30.AAAA` }),
  },
];

export const proofs: AttackGroup[] = [
  { name: "Proofs replayed", attacks: replays },
  { name: "Proofs moved", attacks: moved },
  { name: "Times and nonces", attacks: times },
  { name: "Algorithms and keys", attacks: algorithms },
];
