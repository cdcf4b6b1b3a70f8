// Rates of the signature work of a call, on one core, as JSON on standard output. Each proof is verified once. What a
// provider pays is measured in sdks/verifier/bench.
import { randomBytes } from "node:crypto";
import { Capability, DpopProof, HolderKey, UsageAuth, Wire } from "@tac/protocol";
import { percentilesOf } from "../measure/percentiles.ts";

const COUNT = 3_000;
const url = "https://127.0.0.1:8443/v1/chat/completions";
const body = Buffer.alloc(300, "x");
const exporter = randomBytes(32);
const nowSeconds = Math.floor(Date.now() / 1000);
const hex32 = () => Wire.toHex(randomBytes(32));

const gatewayKey = hex32();
const gateway = Wire.privateKeyToAddress(gatewayKey);

const issueToken = (jwk: HolderKey.Jwk): string =>
  UsageAuth.issue(
    {
      tenant: Wire.parse(Wire.address, `0x${"11".repeat(20)}`),
      expiresAt: nowSeconds + 600,
      notBefore: nowSeconds,
      issuedAt: nowSeconds,
      tokenId: Wire.toHex(randomBytes(16)),
      jwk,
      capabilityHash: hex32(),
      jobId: hex32(),
      providers: [1],
      models: ["sim-chat-small"],
      remainingNano: 1_000_000_000n,
      binding: Capability.BINDING_EXPORTER,
      countersigned: false,
    },
    gatewayKey,
  );

const holder = HolderKey.generate();
const usageAuth = issueToken(holder.jwk);
const thumbprint = HolderKey.thumbprint(holder.jwk);
const makeProof = (): string =>
  DpopProof.create(
    {
      method: "POST",
      url,
      nowSeconds,
      exporter,
      body,
      usageAuth,
      nonce: "n".repeat(30),
      maxCostNano: 1_000_000n,
    },
    holder.privateKey,
  );

/** Microseconds of each run, after a tenth of them has warmed the code up. */
const timeEach = <Item>(items: readonly Item[], work: (item: Item) => void): Float64Array => {
  const durations = new Float64Array(items.length);
  for (const [index, item] of items.entries()) {
    const startedAt = performance.now();
    work(item);
    durations[index] = (performance.now() - startedAt) * 1000;
  }
  return durations.subarray(Math.floor(items.length / 10));
};

const report = (durations: Float64Array) => ({
  perSecond: Math.round((1e6 * durations.length) / durations.reduce((sum, one) => sum + one, 0)),
  microseconds: percentilesOf(durations),
});

const create = timeEach(Array.from({ length: COUNT }), makeProof);
const proofs = Array.from({ length: COUNT }, makeProof);
const verifyProof = (jwt: string): void => {
  DpopProof.verify(jwt, {
    method: "POST",
    url,
    nowSeconds,
    maxAgeSeconds: 60,
    holder: thumbprint,
    usageAuth,
    nonce: () => true,
    exporter,
    bodyHash: DpopProof.bodyHash(body),
  });
};
const proof = timeEach(proofs, verifyProof);
const isGateway = (address: string): boolean => address === gateway;
const tokens = Array.from({ length: COUNT / 3 }, () => issueToken(holder.jwk));
const token = timeEach(tokens, (one) => UsageAuth.verify(one, { nowSeconds, isGateway }));

console.log(
  JSON.stringify({
    "client: make a proof": report(create),
    "gateway: verify a proof, token known": report(proof),
    "gateway: verify a new token": report(token),
  }),
);
