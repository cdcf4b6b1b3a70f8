// What one long stream does to the gateway's memory: `node --import tsx services/gateway/bench/streamMemory.ts [GiB]`.
// The gateway is a process of its own; its provider and its caller are this one. Linux only.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ChildOrder } from "../test/support/gatewayChild.ts";
import { startHarness } from "../test/support/harness.ts";
import { DONE, usageChunk } from "../test/support/TestProvider.ts";

const EVENT_BYTES = 64 * 1024;
const totalBytes = Number(process.argv[2] ?? 1) * 1024 ** 3;
const padding = `data: ${JSON.stringify({ choices: [], obfuscation: "x".repeat(EVENT_BYTES) })}\n\n`;

const harness = await startHarness({}, "none");
harness.provider.answer = async (_received, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (let sent = 0; sent < totalBytes; sent += padding.length) {
    if (!response.write(padding)) await once(response, "drain");
  }
  response.end(usageChunk(10, 0) + DONE);
};

const order: ChildOrder = {
  place: harness.place,
  replicaId: "measured",
  storeUrl: harness.databaseUrl,
  providerUrl: harness.providerUrl,
};
const program = join(import.meta.dirname, "..", "test", "support", "gatewayChild.ts");
const gateway = spawn(process.execPath, ["--import", "tsx", program], {
  env: { ...process.env, GATEWAY_ORDER: JSON.stringify(order) },
  stdio: ["ignore", "pipe", "inherit"],
});
const [line] = (await once(gateway.stdout, "data")) as [Buffer];
const job = await harness.openJob();
const by = await harness.caller(job.by.holder, { connectUrl: line.toString("utf8").trim() });

const residentMiB = (): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${gateway.pid}/status`, "utf8"))?.[1]) / 1024;

const startedAt = performance.now();
const { body } = await by.begin(job.chat({ stream: true }));
const samples: number[] = [];
let received = 0;
for await (const chunk of body as AsyncIterable<Buffer>) {
  if (
    Math.floor((received / totalBytes) * 20) !== Math.floor(((received + chunk.length) / totalBytes) * 20)
  ) {
    samples.push(residentMiB());
  }
  received += chunk.length;
}
const seconds = (performance.now() - startedAt) / 1000;
console.log(`${(received / 1024 ** 3).toFixed(2)} GiB in ${seconds.toFixed(1)} s`);
console.log(
  `resident memory at each twentieth, MiB: ${samples.map((sample) => sample.toFixed(0)).join(" ")}`,
);
gateway.kill("SIGKILL");
await harness.stop();
