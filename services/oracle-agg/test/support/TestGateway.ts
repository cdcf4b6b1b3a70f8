import { FeedEvent } from "@tac/protocol";
import type { GatewayPort } from "../../src/feed/GatewayPort.ts";
import type { Delivery } from "../../src/store/DeliveryStore.ts";
import { account, domains, type TestAccount } from "./World.ts";

/** A gateway's feed in memory, hash-chained and signed as the real one; shared by all replicas of a test. */
export class TestGateway {
  readonly account: TestAccount = account();
  readonly events: FeedEvent.FeedEvent[] = [];
  readonly deliveries: Delivery[] = [];
  /** Set to make every call of the replicas fail. */
  isDown = false;
  /** Set to alter a page before it is served. */
  tamper: (page: FeedEvent.FeedPage) => FeedEvent.FeedPage = (page) => page;

  record(...bodies: FeedEvent.FeedBody[]): void {
    this.recordAt(BigInt(Date.now()), ...bodies);
  }

  recordAt(recordedAtMs: bigint, ...bodies: FeedEvent.FeedBody[]): void {
    for (const body of bodies) {
      const previous = this.events.at(-1);
      this.events.push(
        FeedEvent.create({
          ...body,
          gateway: this.account.address,
          seq: (previous?.seq ?? 0n) + 1n,
          recordedAtMs,
          previousHash: previous?.hash ?? FeedEvent.FIRST_PREVIOUS_HASH,
        }),
      );
    }
  }

  page(afterSeq: bigint, limit: number): FeedEvent.FeedPage {
    if (this.isDown) throw new Error("connect ECONNREFUSED");
    const last = this.events.at(-1);
    const head = {
      gateway: this.account.address,
      seq: last?.seq ?? 0n,
      hash: last?.hash ?? FeedEvent.FIRST_PREVIOUS_HASH,
    };
    return this.tamper({
      events: this.events.filter(({ seq }) => seq > afterSeq).slice(0, limit),
      head: FeedEvent.signHead(head, domains.usageReceipts, this.account.privateKey),
    });
  }

  port(): GatewayPort {
    return {
      address: this.account.address,
      origins: null,
      page: async (afterSeq, limit) => {
        const { events, head } = this.page(afterSeq, limit);
        return FeedEvent.readPage(
          `{"events":[${events.map(asServed).join(",")}],"head":${JSON.stringify({ ...head, seq: head.seq.toString() })}}`,
        );
      },
      deliver: async (_laneId, delivery) => {
        if (this.isDown) throw new Error("connect ECONNREFUSED");
        this.deliveries.push(delivery);
      },
      close: async () => {},
    };
  }
}

/** The event's text: in the spelling of its writer when it is whole, in another order when a test altered it. */
export const asServed = (event: FeedEvent.FeedEvent): string => {
  const { hash: _, ...draft } = event;
  const written = FeedEvent.createText(draft);
  return written.event.hash === event.hash ? written.text : JSON.stringify(FeedEvent.toJson(event));
};
