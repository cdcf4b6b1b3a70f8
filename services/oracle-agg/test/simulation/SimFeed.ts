import { Capability, Tariff, UsageReceipt } from "@tac/protocol";
import type { Address, Hex } from "viem";
import type { Job } from "../../src/rules/Job.ts";
import type { Candidate } from "../../src/rules/settle.ts";
import { domains, openJob, providerKeys, tariffOf } from "../support/World.ts";
import type { Random } from "./Random.ts";

const FIRST_HASH: Hex = `0x${"00".repeat(32)}`;
const template = openJob(providerKeys.get(1) ?? { address: "0x", privateKey: "0x" });
const capabilityHash = Capability.hash(template.capability, domains.capability);
const tariffHash = Tariff.hash(tariffOf(1));

/** Distinct 32 bytes that are cheap to make and easy to read in a trace. */
export const word = (kind: number, number: number): Hex =>
  `0x${kind.toString(16).padStart(8, "0")}${number.toString(16).padStart(56, "0")}`;

/** What a gateway records in a simulation, and which of it must be settled. */
export class SimFeed {
  readonly gateway: Address;
  readonly jobs = new Map<Hex, Job>();
  readonly events: Candidate[] = [];
  /** Receipts that every honest replica must accept: the rest is bad. */
  readonly valid = new Set<Hex>();
  readonly maxSpendNano = new Map<Hex, bigint>();
  readonly #id: number;
  readonly #random: Random;
  readonly #spent = new Map<Hex, bigint>();
  readonly #closed = new Set<Hex>();
  readonly #unlocked = new Set<Hex>();
  #count = 0;

  constructor(id: number, random: Random) {
    this.#id = id;
    this.#random = random;
    this.gateway = `0x${String(id).repeat(40)}`;
  }

  /** Opens a job; one in six never gets a lock, and nothing of it may settle. */
  open(nowMs: bigint, lock: (jobId: Hex) => void): void {
    const jobId = word(0x10 + this.#id, this.jobs.size + 1);
    this.jobs.set(jobId, {
      gateway: this.gateway,
      jobId,
      openedSeq: BigInt(this.events.length + 1),
      capability: { ...template.capability, jobId, maxSpendNano: 1_000n },
      capabilityHash,
      capabilitySignature: template.opened.capabilitySignature,
      isEoaSigned: true,
      signedQuote: template.opened.signedQuote,
    });
    if (this.#random.chance(1 / 6)) this.#unlocked.add(jobId);
    else lock(jobId);
    this.#push(nowMs, jobId, { kind: "job-opened" }, null);
  }

  /** Records a call, a bad one now and then, or closes a job. */
  record(nowMs: bigint): void {
    const jobId = this.#random.pick([...this.jobs.keys()]);
    if (this.#random.chance(0.06)) {
      this.#push(nowMs, jobId, { kind: "job-closed" }, null);
      this.#closed.add(jobId);
      return;
    }
    const earlier = this.events.filter((event) => event.kind === "usage");
    const repeated = earlier.length > 0 && this.#random.chance(0.1) ? this.#random.pick(earlier) : null;
    this.#count += 1;
    const receiptId = word(0x20 + this.#id, this.#count);
    const costNano = BigInt(this.#random.between(1, 300));
    const isMispriced = this.#random.chance(0.1);
    const proofHash =
      repeated?.kind === "usage" ? repeated.receipt.proofHash : word(0x30 + this.#id, this.#count);
    const spent = (this.#spent.get(jobId) ?? 0n) + costNano;
    const isProofNew = !earlier.some(
      (event) =>
        event.kind === "usage" &&
        event.receipt.proofHash === proofHash &&
        this.valid.has(event.receipt.receiptId),
    );
    if (
      !isMispriced &&
      isProofNew &&
      spent <= 1_000n &&
      !this.#closed.has(jobId) &&
      !this.#unlocked.has(jobId)
    ) {
      this.valid.add(receiptId);
      this.#spent.set(jobId, spent);
    }
    const receipt = {
      receiptId,
      jobId,
      capabilityHash,
      gateway: this.gateway,
      providerId: this.#random.between(1, 2),
      modelHash: FIRST_HASH,
      inputTokens: 1n,
      cachedInputTokens: 0n,
      outputTokens: 0n,
      requests: 1n,
      durationMs: 1n,
      costNano,
      tariffHash,
      requestHash: FIRST_HASH,
      responseHash: FIRST_HASH,
      proofHash,
      countersigned: false,
      occurredAtMs: nowMs,
    };
    this.#push(
      nowMs,
      jobId,
      { kind: "usage", receipt: { ...receipt, leaf: UsageReceipt.leaf(receipt) }, reportSigner: null },
      isMispriced ? { code: "price_mismatch", reason: "another price" } : null,
    );
  }

  #push(
    recordedAtMs: bigint,
    jobId: Hex,
    content:
      | { kind: "job-opened" | "job-closed" }
      | Pick<Candidate & { kind: "usage" }, "kind" | "receipt" | "reportSigner">,
    refusal: Candidate["refusal"],
  ): void {
    const seq = this.events.length + 1;
    const shared = {
      gateway: this.gateway,
      seq: BigInt(seq),
      hash: word(0x40 + this.#id, seq),
      recordedAtMs,
      jobId,
      refusal,
    };
    this.events.push({ ...shared, ...content });
  }
}

export { FIRST_HASH, tariffHash };
