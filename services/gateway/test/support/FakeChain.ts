import { hash } from "node:crypto";
import { ChainRevert } from "@tac/kit";
import { Capability, type Deployment, Errors, Revocation as SignedRevocation, Wire } from "@tac/protocol";
import type { Address, Hex } from "viem";
import type { ChainPort, CommittedBatch, LockEvent, Revocation } from "../../src/chain/ChainPort.ts";
import { hex32 } from "./hex32.ts";

type StoredLock = LockEvent & {
  remainingNano: bigint;
  isClosed: boolean;
  maxSpendNano: bigint;
  expiresAtSeconds: number;
};

/** A chain in memory with the rules of the contracts that matter to the gateway. */
export class FakeChain implements ChainPort {
  readonly locks = new Map<Hex, StoredLock>();
  readonly balances = new Map<Address, bigint>();
  readonly tariffHashes = new Map<string, Hex>();
  readonly signingKeys = new Map<number, Address>();
  readonly batches = new Map<Hex, CommittedBatch>();
  readonly revocations: (Revocation & { block: bigint })[] = [];
  readonly releases: { jobId: Hex; block: bigint }[] = [];
  isDown = false;
  headBlock = 100n;
  lockCount = 0;
  readonly #domains: Deployment.Domains;

  constructor(domains: Deployment.Domains) {
    this.#domains = domains;
  }

  /** One of a tenant's jobs, or all of them, as of now unless said. */
  revoke(tenant: Address, jobId: Hex | null, revokedAtSeconds = Math.floor(Date.now() / 1000)): void {
    this.headBlock += 1n;
    this.revocations.push({ tenant, jobId, revokedAtSeconds, block: this.headBlock });
  }

  /** What anybody may do after a lock's expiry and its grace. */
  release(jobId: Hex): void {
    const lock = this.locks.get(jobId);
    if (lock) lock.isClosed = true;
    this.headBlock += 1n;
    this.releases.push({ jobId, block: this.headBlock });
  }

  async lockOf(jobId: Hex) {
    this.#assertUp();
    const lock = this.locks.get(jobId);
    if (lock === undefined) return { state: "none" as const, remainingNano: 0n };
    return {
      state: lock.isClosed ? ("closed" as const) : ("open" as const),
      remainingNano: lock.remainingNano,
    };
  }

  async lockEvent(jobId: Hex) {
    this.#assertUp();
    return this.locks.get(jobId) ?? null;
  }

  async verifyCapability(capability: Capability.Capability, signature: Hex): Promise<void> {
    this.#assertUp();
    if (!Capability.verifySignature(capability, signature, this.#domains.capability)) {
      throw Errors.fromCode("invalid_signature");
    }
    if ((await this.revokedAt(capability.tenant, capability.jobId, capability.validAfter)) !== 0) {
      throw Errors.fromCode("capability_revoked");
    }
  }

  async submitLock(capability: Capability.Capability, signature: Hex) {
    await this.verifyCapability(capability, signature);
    // A block takes a moment, in which a second request for the same job may come.
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (this.locks.has(capability.jobId)) return null;
    const freeNano = this.balances.get(capability.tenant) ?? 0n;
    if (freeNano < capability.maxSpendNano) throw Errors.fromCode("credit_exhausted");
    this.balances.set(capability.tenant, freeNano - capability.maxSpendNano);
    this.headBlock += 1n;
    this.lockCount += 1;
    const lock: StoredLock = {
      capabilityHash: Capability.hash(capability, this.#domains.capability),
      transactionHash: hex32(),
      blockNumber: this.headBlock,
      remainingNano: capability.maxSpendNano,
      isClosed: false,
      maxSpendNano: capability.maxSpendNano,
      expiresAtSeconds: Number(capability.expiresAt),
    };
    this.locks.set(capability.jobId, lock);
    return { transactionHash: lock.transactionHash, blockNumber: lock.blockNumber };
  }

  async freeCreditOf(tenant: Address) {
    this.#assertUp();
    return this.balances.get(tenant) ?? 0n;
  }

  readonly graceSeconds = 3_600;
  /** The chain's clock; the machine's unless set. */
  nowSeconds: number | null = null;
  releaseCount = 0;

  async lockRelease(jobId: Hex) {
    const { state } = await this.lockOf(jobId);
    const lock = this.locks.get(jobId);
    return {
      state,
      paidNano: lock === undefined ? 0n : lock.maxSpendNano - lock.remainingNano,
      releasableAtSeconds: (lock?.expiresAtSeconds ?? 0) + this.graceSeconds,
      nowSeconds: this.nowSeconds ?? Math.floor(Date.now() / 1000),
    };
  }

  async submitRelease(jobId: Hex) {
    const { state, releasableAtSeconds, nowSeconds } = await this.lockRelease(jobId);
    if (state !== "open") return null;
    if (nowSeconds < releasableAtSeconds) throw new ChainRevert("CreditVault_NotYetReleasable");
    this.releaseCount += 1;
    const releasedNano = this.locks.get(jobId)?.remainingNano ?? 0n;
    this.release(jobId);
    return { transactionHash: hex32(), releasedNano };
  }

  /** The reason for which the next signed revocations are refused. */
  refusesRevocations: "invalid_signature" | "chain_unavailable" | null = null;
  readonly appliedJobIds: Hex[] = [];
  /** Contract accounts, and what each of them signed. */
  readonly accountSignatures = new Map<Address, Hex>();

  async isSignedByAccount(account: Address, digest: Hex) {
    this.#assertUp();
    return this.accountSignatures.get(account) === digest;
  }

  async submitRevocation(revocation: SignedRevocation.Revocation, signature: Hex) {
    this.#assertUp();
    if (this.refusesRevocations !== null) throw Errors.fromCode(this.refusesRevocations);
    const { tenant, salt, deadline } = revocation;
    const signer = Wire.recoverDigest(SignedRevocation.hash(revocation, this.#domains.capability), signature);
    if (signer !== tenant || deadline < BigInt(Math.floor(Date.now() / 1000))) {
      throw Errors.fromCode("invalid_signature");
    }
    const jobId = Capability.jobId(tenant, salt);
    if (this.revocations.some((entry) => entry.jobId === jobId)) return null;
    this.revoke(tenant, jobId);
    return hex32();
  }

  async applyRevocations(jobIds: readonly Hex[]) {
    this.#assertUp();
    this.appliedJobIds.push(...jobIds);
    return hex32();
  }

  async revokedAt(tenant: Address, jobId: Hex, validAfter: bigint): Promise<number> {
    this.#assertUp();
    const found = this.revocations.find(
      (entry) =>
        entry.tenant === tenant &&
        (entry.jobId === jobId || (entry.jobId === null && validAfter <= BigInt(entry.revokedAtSeconds))),
    );
    return found?.revokedAtSeconds ?? 0;
  }

  async tariffHashOf(providerId: number, version: number): Promise<Hex> {
    this.#assertUp();
    return this.tariffHashes.get(`${providerId}/${version}`) ?? `0x${"00".repeat(32)}`;
  }

  async signingKeyOf(providerId: number) {
    this.#assertUp();
    return this.signingKeys.get(providerId) ?? null;
  }

  async isGateway(): Promise<boolean> {
    return true;
  }

  async jobChangesFrom(block: bigint, knownHead: Hex | null) {
    this.#assertUp();
    const { headBlock } = this;
    const content = `${headBlock} ${this.revocations.length} ${this.releases.length}`;
    const headHash: Hex = `0x${hash("sha256", content)}`;
    if (headHash === knownHead) return null;
    const revocations = this.revocations.filter((entry) => entry.block >= block);
    const released = this.releases.filter((entry) => entry.block >= block);
    const releasedJobIds = released.map(({ jobId }) => jobId);
    return { revocations, releasedJobIds, toBlock: headBlock, headBlock, headHash };
  }

  async batchOf(transactionHash: Hex) {
    this.#assertUp();
    return this.batches.get(transactionHash) ?? null;
  }

  #assertUp(): void {
    if (this.isDown) throw Errors.fromCode("chain_unavailable");
  }
}
