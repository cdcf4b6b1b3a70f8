import type { Hex } from "viem";

/** One HTTP request as it is repeated. */
export type Shot = { path: string; headers: Record<string, string>; body: string };

/** Something that takes OpenAI calls over plain HTTP, without proofs. */
export type PlainTarget = { kind: "plain"; origin: string; call: Shot; stream: Shot };

/** Our gateway: each call is proven by the client SDK's own machinery. */
export type GatewayTarget = {
  kind: "gateway";
  origin: string;
  /** PEM; null speaks plain HTTP with capabilities that are bound to a nonce and not to a connection. */
  ca: string | null;
  /** Content of the deployment's `addresses.json`. */
  deployment: unknown;
  tenantPrivateKey: Hex;
  /** How many jobs the calls are spread over, in turn. */
  jobCount: number;
  call: Shot;
  stream: Shot;
};

export type Target = PlainTarget | GatewayTarget;
