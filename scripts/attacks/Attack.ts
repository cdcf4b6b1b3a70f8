import type { Scene } from "./Scene.ts";

/** What came back. `status` is HTTP's, or "closed" when the other side would not even speak HTTP. */
export type Outcome = { status: number | "closed"; code: string };

/** `code` is the protocol's error code; "" where HTTP or TLS refuses before the protocol is reached. */
export type Attack = {
  name: string;
  expected: Outcome;
  /** True where an honest call is served and the attack is in its answer. */
  isPaid?: true;
  /** True where the provider itself is attacked, past the gateway. */
  isAtProvider?: true;
  run: (scene: Scene) => Promise<Outcome>;
};

export type AttackGroup = { name: string; attacks: readonly Attack[] };

export const refused = (status: number, code: string): Outcome => ({ status, code });
/** The connection ends without an answer. */
export const closed: Outcome = { status: "closed", code: "" };
