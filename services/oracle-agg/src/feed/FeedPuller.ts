import type { Logger } from "@tac/kit";
import { type Deployment, FeedEvent, ProtocolError, type Tariff } from "@tac/protocol";
import type { Address, Hex } from "viem";
import type { Job } from "../rules/Job.ts";
import { TokenCache } from "../rules/TokenCache.ts";
import { jobIdOf, tariffNeeded, type Validated, validateEvent } from "../rules/validateEvent.ts";
import type { FeedCursor, FeedState, FeedStore } from "../store/FeedStore.ts";
import type { GatewayPort } from "./GatewayPort.ts";
import type { TariffSource } from "./TariffSource.ts";
import type { ValidationPool } from "./ValidationPool.ts";

const PAGE_EVENTS = 500;
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

type Entry = { event: FeedEvent.FeedEvent; verdict: Validated };

/**
 * Pulls one gateway's feed by cursor and validates each event as it arrives. A feed whose hash chain or head signature
 * is broken is pulled no further until an operator has looked at it: its gateway says two things at once.
 */
export class FeedPuller {
  readonly #options: FeedPullerOptions;
  readonly #tokens = new TokenCache();
  #running: Promise<boolean> | null = null;

  constructor(options: FeedPullerOptions) {
    this.#options = options;
  }

  get address(): Address {
    return this.#options.gateway.address;
  }

  /** Pulls one page. True when the feed has more. Calls at the same time share one pull. */
  pull(): Promise<boolean> {
    this.#running ??= this.#pullPage().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #pullPage(): Promise<boolean> {
    const { gateway, store } = this.#options;
    const state = await this.#state();
    if (state.stoppedReason !== null) return false;
    const page = await gateway.page(state.pulled.seq, PAGE_EVENTS);
    const problem = this.#problemOf(page, state);
    if (problem !== null) {
      this.#options.logger.error({ gateway: gateway.address, problem }, "feed stopped");
      await store.stopFeed(gateway.address, problem);
      return false;
    }
    const entries = await this.#validate(page.events);
    await store.append(state.pulled, entries, page.head.seq);
    return page.events.length > 0 && (page.events.at(-1)?.seq ?? 0n) < page.head.seq;
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

  #problemOf({ events, head }: FeedEvent.FeedPage, { pulled, committed, headSeq }: FeedState): string | null {
    const { gateway, domains } = this.#options;
    if (head.gateway !== gateway.address) return "the head is of another gateway";
    if (FeedEvent.recoverHead(head, domains.usageReceipts) !== gateway.address)
      return "the head is not signed by the gateway";
    if (head.seq < pulled.seq || head.seq < headSeq)
      return `the head went back from ${headSeq} to ${head.seq}`;
    let end: FeedCursor;
    try {
      end = FeedEvent.verifyChain(events, pulled);
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

  /** Jobs are opened one after the other, in their order; what lies between them is validated at once. */
  async #validate(events: readonly FeedEvent.FeedEvent[]): Promise<Entry[]> {
    const { gateway, store, tariffs, domains, tariffSigners, pool, logger } = this.#options;
    const { origins } = gateway;
    const jobs: Map<Hex, Job> = await store.jobsOf(gateway.address, [...new Set(events.map(jobIdOf))]);
    const documents = new Map<Hex, Tariff.Tariff>();
    const entries: Entry[] = [];
    let between: FeedEvent.FeedEvent[] = [];
    const flush = async (): Promise<void> => {
      for (const event of between) {
        const tariffHash = tariffNeeded(event, jobs.get(jobIdOf(event)) ?? null);
        if (tariffHash !== null && !documents.has(tariffHash))
          documents.set(tariffHash, await tariffs(tariffHash));
      }
      const named = new Set(between.map(jobIdOf));
      const known = new Map([...jobs].filter(([jobId]) => named.has(jobId)));
      const task = { events: between, jobs: known, tariffs: documents, domains, tariffSigners, origins };
      const verdicts = await pool.validate(task);
      between.forEach((event, index) => {
        const verdict = verdicts[index];
        if (verdict === undefined) throw new Error(`Event ${event.seq} was not validated.`);
        entries.push({ event, verdict });
      });
      between = [];
    };
    for (const event of events) {
      if (event.kind !== "job-opened") {
        between.push(event);
        continue;
      }
      await flush();
      const job = jobs.get(jobIdOf(event)) ?? null;
      const context = { domains, tariffSigners, job, tariff: null, origins, tokens: this.#tokens };
      const verdict = validateEvent(event, context);
      if (verdict.opened !== undefined) jobs.set(verdict.opened.jobId, verdict.opened);
      entries.push({ event, verdict });
    }
    await flush();
    for (const { event, verdict } of entries)
      if (!verdict.ok) {
        const { code, reason } = verdict;
        logger.warn({ gateway: gateway.address, seq: event.seq, code, reason }, "event refused");
      }
    return entries;
  }
}
