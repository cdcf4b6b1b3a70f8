import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { FeedEvent, Tariff } from "@tac/protocol";
import type { Address } from "viem";
import { TestGateway } from "../test/support/TestGateway.ts";
import { call, domains, openJob, tariffSigner, tariffs } from "../test/support/World.ts";

/**
 * A gateway's feed of really signed calls, in a process of its own: `feedServer.ts <receipts> <jobs>`. Every job has a
 * holder of its own, every second call is countersigned. Tells its parent where it listens and whom to trust.
 */
const [receipts = 0, jobCount = 1] = process.argv.slice(2).map(Number);

export type Served = {
  url: string;
  gateway: Address;
  domains: typeof domains;
  tariffSigner: Address;
  tariffs: [string, ReturnType<typeof Tariff.toJson>][];
  events: number;
  countersigned: number;
};

const gateway = new TestGateway();
const texts: string[] = [];
let last: FeedEvent.FeedHead = {
  gateway: gateway.account.address,
  seq: 0n,
  hash: FeedEvent.FIRST_PREVIOUS_HASH,
};
const record = (body: FeedEvent.FeedBody): void => {
  const { event, text } = FeedEvent.createText({
    ...body,
    gateway: gateway.account.address,
    seq: last.seq + 1n,
    recordedAtMs: BigInt(Date.now()),
    previousHash: last.hash,
  });
  last = event;
  texts.push(text);
};

const jobs = Array.from({ length: jobCount }, () => openJob(gateway.account, { maxSpendNano: 1n << 60n }));
for (const job of jobs) record({ kind: "job-opened", body: job.opened });
for (let index = 0; index < receipts; index += 1) {
  const job = jobs[index % jobCount];
  if (job === undefined) throw new Error("there is no job");
  // Both halves of the calls of each job, or a job's calls would be all of one sort.
  const isCountersigned = Math.floor(index / jobCount) % 2 === 1;
  record({ kind: "usage", body: call(job, isCountersigned ? { report: {} } : {}) });
}
const { signature } = FeedEvent.signHead(
  { gateway: last.gateway, seq: last.seq, hash: last.hash },
  domains.usageReceipts,
  gateway.account.privateKey,
);
const head = JSON.stringify({ gateway: last.gateway, seq: last.seq.toString(), hash: last.hash, signature });

const server = createServer((request, response) => {
  const query = new URL(request.url ?? "/", "http://feed").searchParams;
  const after = Number(query.get("after"));
  const page = texts.slice(after, after + Number(query.get("limit")));
  response.setHeader("content-type", "application/json").end(`{"events":[${page.join(",")}],"head":${head}}`);
});
server.listen(0, "127.0.0.1", () => {
  const served: Served = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    gateway: gateway.account.address,
    domains,
    tariffSigner: tariffSigner.address,
    tariffs: tariffs.map((tariff) => [Tariff.hash(tariff), Tariff.toJson(tariff)]),
    events: texts.length,
    countersigned: texts.filter((text) => text.includes('"countersigned":true')).length,
  };
  process.send?.(served);
});
process.on("disconnect", () => process.exit(0));
