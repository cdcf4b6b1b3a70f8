import type { Logger } from "@tac/kit";
import { type Deployment, FeedEvent, ProtocolError, type Tariff } from "@tac/protocol";
import type { Address, Hex } from "viem";
import { type Job, quotedTariff } from "../rules/Job.ts";
import { TokenCache } from "../rules/TokenCache.ts";
import type { FeedCursor, FeedState, FeedStore } from "../store/FeedStore.ts";
import { type Examined, examine } from "./examine.ts";
import type { GatewayPort } from "./GatewayPort.ts";
import type { TariffSource } from "./TariffSource.ts";
import type { ValidationPool } from "./ValidationPool.ts";

/** The most a gateway serves at once. */
const PAGE_EVENTS = 1_000;
/** Pages of one pull: while one is stored the next is validated, and the one behind that is fetched. */
const PAGES_AT_ONCE = 8;
const MAX_KNOWN_JOBS = 10_000;
/** The last time JavaScript has a date for; beyond it the store has no column either. */
const MAX_TIME_MS = 8_640_000_000_000_000n;

export type FeedPullerOptions = {
  gateway: GatewayPort;
  store: FeedStore;
  tariffs: TariffSource;
  domains: Deployment.Domains;
  tariffSigners: ReadonlySet<Address>;
  pool: ValidationPool;
  logger: Logger;
};

/**
 * Pulls one gateway's feed by cursor and validates each event as it arrives. A feed whose hash chain or head signature
 * is broken is pulled no further until an operator has looked at it: its gateway says two things at once.
 */
export class FeedPuller {
  readonly #options: FeedPullerOptions;
  readonly #tokens = new TokenCache();
  /** Jobs of this feed that the store has, by id; what opened a job never changes. */
  #jobs = new Map<Hex, Job>();
  #running: Promise<boolean> | null = null;

  constructor(options: FeedPullerOptions) {
    this.#options = options;
  }

  get address(): Address {
    return this.#options.gateway.address;
  }

  /** Pulls some pages. True when the feed has more. Calls at the same time share one pull. */
  pull(): Promise<boolean> {
    this.#running ??= this.#pullPages()
      .catch((error: unknown) => {
        this.#giveUp();
        throw error;
      })
      .finally(() => {
        this.#running = null;
      });
    return this.#running;
  }

  async #pullPages(): Promise<boolean> {
    const { gateway, store, logger } = this.#options;
    const first = await this.#state();
    if (first.stoppedReason !== null) return false;
    if (this.#jobs.size > MAX_KNOWN_JOBS) this.#jobs = new Map();
    let cursor = first.pulled;
    let stored = Promise.resolve(true);
    let arriving = this.#fetch(cursor.seq);
    for (let pages = 1; ; pages += 1) {
      const page = await arriving;
      const hasMore = page.events.length > 0 && cursor.seq + BigInt(page.events.length) < page.head.seq;
      const isLast = !hasMore || pages === PAGES_AT_ONCE;
      if (!isLast) arriving = this.#fetch(cursor.seq + BigInt(page.events.length));
      const [examined] = await Promise.all([this.#examine(page.events), stored]);
      const state = pages === 1 ? first : await this.#state();
      if (state.stoppedReason !== null || state.pulled.hash !== cursor.hash) return this.#giveUp();
      const problem = this.#problemOf(examined, page.head, state);
      if (problem !== null) {
        logger.error({ gateway: gateway.address, problem }, "feed stopped");
        await store.stopFeed(gateway.address, problem);
        return !this.#giveUp();
      }
      this.#report(examined);
      const texts = page.events.map(({ text }) => text);
      stored = store.append(cursor, { examined, texts }, page.head.seq);
      if (isLast) return (await stored) ? hasMore : this.#giveUp();
      const last = examined.at(-1);
      if (last !== undefined) cursor = { gateway: gateway.address, seq: last.seq, hash: last.hash };
    }
  }
  /** The page may not be stored, so the jobs it opens are not known. True: there is more to pull. */
  #giveUp(): true {
    this.#jobs = new Map();
    return true;
  }

  #fetch(afterSeq: bigint): Promise<FeedEvent.UnreadPage> {
    const page = this.#options.gateway.page(afterSeq, PAGE_EVENTS);
    // Who waits for the page hears of a failure; when a pull ends early nobody does.
    page.catch(() => undefined);
    return page;
  }

  async #state(): Promise<FeedState> {
    const { gateway, store } = this.#options;
    const find = (states: FeedState[]) => states.find(({ pulled }) => pulled.gateway === gateway.address);
    const known = find(await store.feeds());
    if (known !== undefined) return known;
    await store.ensureFeed(gateway.address);
    const created = find(await store.feeds());
    if (created === undefined) throw new Error(`The feed of ${gateway.address} could not be created.`);
    return created;
  }

  #problemOf(
    events: readonly Examined[],
    head: FeedEvent.FeedPage["head"],
    { pulled, committed, headSeq }: FeedState,
  ): string | null {
    const { gateway, domains } = this.#options;
    if (head.gateway !== gateway.address) return "the head is of another gateway";
    if (FeedEvent.recoverHead(head, domains.usageReceipts) !== gateway.address)
      return "the head is not signed by the gateway";
    if (head.seq < pulled.seq || head.seq < headSeq)
      return `the head went back from ${headSeq} to ${head.seq}`;
    let end: FeedCursor;
    try {
      end = FeedEvent.verifyLinks(events, pulled);
    } catch (error) {
      if (error instanceof ProtocolError) return `the hash chain is broken: ${error.message}`;
      throw error;
    }
    if (events.some(({ recordedAtMs }) => recordedAtMs > MAX_TIME_MS)) return "an event has no possible time";
    if (end.seq > head.seq) return `events run past the signed head ${head.seq}`;
    if (end.seq === head.seq && end.hash !== head.hash)
      return "the signed head has another hash than its event";
    const atCommitted = [pulled, ...events].find(({ seq }) => seq === committed.seq);
    if (committed.seq > 0n && atCommitted !== undefined && atCommitted.hash !== committed.hash)
      return `event ${committed.seq} is not the one a committed batch names`;
    return null;
  }

  /** Events that open a job come first, in their order; what else is in the page is validated at once. */
  async #examine(events: readonly FeedEvent.UnreadEvent[]): Promise<Examined[]> {
    const { gateway, store, tariffs, domains, tariffSigners, pool } = this.#options;
    const named = [...new Set(events.flatMap(({ jobId }) => jobId ?? []))];
    const unknown = named.filter((jobId) => !this.#jobs.has(jobId));
    for (const [jobId, job] of await store.jobsOf(gateway.address, unknown)) this.#jobs.set(jobId, job);
    const jobs = new Map<Hex, Job>();
    for (const jobId of named) {
      const job = this.#jobs.get(jobId);
      if (job !== undefined) jobs.set(jobId, job);
    }
    const documents = new Map<Hex, Tariff.Tariff>();
    const grounds = { jobs, tariffs: documents, domains, tariffSigners, origins: gateway.origins };
    const examined: Examined[] = [];
    const others: number[] = [];
    events.forEach(({ kind, text }, index) => {
      if (kind !== "job-opened") {
        others.push(index);
        return;
      }
      const found = examine(text, grounds, this.#tokens);
      examined[index] = found;
      const { opened } = found.verdict;
      if (opened === undefined) return;
      jobs.set(opened.jobId, opened);
      this.#jobs.set(opened.jobId, opened);
    });
    for (const { jobId, tariffHash } of events) {
      const job = jobId === null ? undefined : jobs.get(jobId);
      if (job === undefined || tariffHash === null || documents.has(tariffHash)) continue;
      if (quotedTariff(job, tariffHash) !== undefined) documents.set(tariffHash, await tariffs(tariffHash));
    }
    const texts = others.map((index) => events[index]?.text ?? "");
    const judged = await pool.validate({ ...grounds, texts });
    judged.forEach((one, place) => {
      examined[others[place] ?? -1] = one;
    });
    return examined;
  }

  #report(examined: readonly Examined[]): void {
    const { gateway, logger } = this.#options;
    for (const { seq, verdict } of examined)
      if (!verdict.ok) {
        const { code, reason } = verdict;
        logger.warn({ gateway: gateway.address, seq, code, reason }, "event refused");
      }
  }
}
