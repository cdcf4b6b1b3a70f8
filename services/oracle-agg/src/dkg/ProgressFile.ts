import type { KeyShare } from "../keys/KeyShare.ts";
import type { ShareSeal } from "../keys/ShareSeal.ts";
import { destroySecretFile, readSecretFile, writeSecretFile } from "../keys/secretFile.ts";
import type { Confirmation, HandedOn, Round1Message } from "./messages.ts";
import type { Plan } from "./Plan.ts";

/** What a receiver derived, before all have confirmed it. */
export type Derived = Pick<KeyShare, "share" | "groupPublicKey" | "publicShares"> & {
  confirmation: Confirmation;
  handedOn: HandedOn | null;
};

/** What survives a restart in the middle of a ceremony. */
export type Progress = {
  plan: Plan;
  /** The dealer's secret polynomial, hexadecimal scalars. */
  coefficients?: string[];
  round1?: Round1Message;
  /** Set by round 2: the only set of commitments this attempt will go on with. */
  round1Hash?: string;
  derived?: Derived;
};

const LABEL = "tac-ceremony-progress";

/** The sealed file that holds the secrets of an unfinished ceremony; overwritten and deleted when it ends. */
export class ProgressFile {
  readonly #file: string;
  readonly #seal: ShareSeal;
  #current: Progress | null | undefined;

  constructor(file: string, seal: ShareSeal) {
    this.#file = file;
    this.#seal = seal;
  }

  load(): Progress | null {
    if (this.#current === undefined) {
      const sealed = readSecretFile(this.#file);
      this.#current = sealed === null ? null : JSON.parse(this.#seal.open(sealed, LABEL));
    }
    return this.#current ?? null;
  }

  save(progress: Progress): void {
    writeSecretFile(this.#file, this.#seal.seal(JSON.stringify(progress), LABEL));
    this.#current = progress;
  }

  destroy(): void {
    destroySecretFile(this.#file);
    this.#current = null;
  }
}
