import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Hex, keccak256 } from "viem";
import { z } from "zod";
import type { Lane } from "../chain/ChainPort.ts";
import {
  groupKeySchema,
  type KeyShare,
  keyShareSchema,
  type PublicKeyOfEpoch,
  publicPartOf,
} from "./KeyShare.ts";
import type { ShareSeal } from "./ShareSeal.ts";
import { destroySecretFile, readSecretFile, writeSecretFile } from "./secretFile.ts";

export type LaneKey = Pick<Lane, "keyEpoch" | "keyHash">;

/** The hash by which the chain knows a group's public key. */
export const keyHashOf = ({ groupPublicKey }: Pick<KeyShare, "groupPublicKey">): Hex =>
  keccak256(groupPublicKey);

/** A share signs in the epoch it was dealt for and in no other, even when the group key stays the same. */
export const isKeyOf = (key: Pick<KeyShare, "keyEpoch" | "groupPublicKey">, lane: LaneKey): boolean =>
  key.keyEpoch === lane.keyEpoch && keyHashOf(key) === lane.keyHash;

const LABEL = "tac-key-share";

/**
 * The key shares of one replica, one sealed file per epoch: the present one, and from a ceremony until the first batch of
 * the next epoch that one too. Shares of epochs that are over are overwritten and deleted; their public part is kept,
 * because it says who signed an old batch.
 */
export class KeyRing {
  readonly #file: string;
  readonly #seal: ShareSeal;
  readonly #keys = new Map<number, KeyShare>();
  #past: PublicKeyOfEpoch[];
  #lane: LaneKey | null = null;

  /** Errors: ShareSealError, or an Error that names a file others can read. */
  constructor(file: string, seal: ShareSeal) {
    this.#file = file;
    this.#seal = seal;
    const past = readSecretFile(this.#pastFile);
    this.#past = past === null ? [] : z.array(groupKeySchema).parse(JSON.parse(past));
    for (const keyEpoch of this.#storedEpochs()) {
      const sealed = readSecretFile(this.#fileOf(keyEpoch));
      if (sealed !== null)
        this.#keys.set(keyEpoch, keyShareSchema.parse(JSON.parse(seal.open(sealed, LABEL))));
    }
  }

  /** All shares, oldest epoch first. */
  get keys(): KeyShare[] {
    return [...this.#keys.values()].sort((left, right) => left.keyEpoch - right.keyEpoch);
  }

  /** What the chain last said; null before it was first read. */
  get lane(): LaneKey | null {
    return this.#lane;
  }

  /** Takes note of what the chain says about the lane's key. */
  observe({ keyEpoch, keyHash }: LaneKey): void {
    this.#lane = { keyEpoch, keyHash };
  }

  /**
   * The share for what the chain last said; else the one a replica is to run with while it waits, which is the oldest, or,
   * once the chain was read, the newest.
   */
  current(): KeyShare | null {
    const { keys } = this;
    const lane = this.#lane;
    if (lane === null) return keys[0] ?? null;
    return keys.find((key) => isKeyOf(key, lane)) ?? keys.at(-1) ?? null;
  }

  ofEpoch(keyEpoch: number): KeyShare | null {
    return this.#keys.get(keyEpoch) ?? null;
  }

  /** The public part of any epoch's key that this replica ever held. */
  publicOf(keyEpoch: number): PublicKeyOfEpoch | null {
    return this.#keys.get(keyEpoch) ?? this.#past.find((key) => key.keyEpoch === keyEpoch) ?? null;
  }

  /** Whether a ceremony may still replace the share of this epoch: the chain does not use it yet. */
  isReplaceable(keyEpoch: number): boolean {
    return this.#lane !== null && keyEpoch > this.#lane.keyEpoch;
  }

  add(key: KeyShare): void {
    writeSecretFile(this.#fileOf(key.keyEpoch), this.#seal.seal(JSON.stringify(key), LABEL));
    this.#keys.set(key.keyEpoch, key);
  }

  /** Keeps the public part of a key this replica has no share of. */
  remember(keys: readonly PublicKeyOfEpoch[]): void {
    const unknown = keys.filter(({ keyEpoch }) => this.publicOf(keyEpoch) === null).map(publicPartOf);
    if (unknown.length === 0) return;
    this.#past = [...this.#past, ...unknown];
    writeSecretFile(this.#pastFile, `${JSON.stringify(this.#past)}\n`);
  }

  /** Destroys the shares of all epochs before this one. Returns their epochs. */
  destroyBefore(keyEpoch: number): number[] {
    const over = this.keys.filter((key) => key.keyEpoch < keyEpoch);
    for (const key of over) {
      this.#keys.delete(key.keyEpoch);
      this.remember([key]);
      destroySecretFile(this.#fileOf(key.keyEpoch));
    }
    return over.map((key) => key.keyEpoch);
  }

  get #pastFile(): string {
    return `${this.#file}.past`;
  }

  #fileOf(keyEpoch: number): string {
    return `${this.#file}.epoch-${keyEpoch}`;
  }

  #storedEpochs(): number[] {
    const folder = dirname(this.#file);
    const prefix = `${basename(this.#file)}.epoch-`;
    return readdirSync(folder)
      .filter((name) => name.startsWith(prefix) && /^[0-9]+$/.test(name.slice(prefix.length)))
      .map((name) => Number(name.slice(prefix.length)))
      .filter((keyEpoch) => join(folder, `${prefix}${keyEpoch}`) === this.#fileOf(keyEpoch));
  }
}
