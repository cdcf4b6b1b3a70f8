// Renews the stack's certificates for as long as it runs; SIGUSR2 replaces the authority itself.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { createKeeper, type KeeperSettings } from "./CertificateKeeper.ts";

const [settingsFile, port] = process.argv.slice(2);
if (settingsFile === undefined || port === undefined)
  throw new Error("Name the file with the settings, and the port of /healthz.");
const settings = JSON.parse(readFileSync(settingsFile, "utf8")) as KeeperSettings;
const keeper = createKeeper(settings);
const say = (text: string): void =>
  console.log(JSON.stringify({ time: new Date().toISOString(), msg: text }));

const stopping = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stopping.abort());
// One after the other: a replacement in the middle of a look would be lost.
let work: Promise<void> = Promise.resolve();
let isHealthy = false;
const queue = (step: () => Promise<void>): Promise<void> => {
  work = work.then(step).catch((error: unknown) => {
    isHealthy = false;
    console.error(JSON.stringify({ time: new Date().toISOString(), msg: "failed", err: String(error) }));
  });
  return work;
};
process.on("SIGUSR2", () => {
  void queue(async () => {
    await keeper.replaceAuthority();
    say("a new authority is trusted, and signs after the overlap");
  });
});

const server = createServer((_request, response) => {
  response.writeHead(isHealthy ? 200 : 503, { "content-type": "application/json" });
  response.end(JSON.stringify({ status: isHealthy ? "ok" : "failed", service: "certificates" }));
}).listen(Number(port), "127.0.0.1");

say("certificates are kept");
while (!stopping.signal.aborted) {
  await queue(async () => {
    await keeper.keep();
    isHealthy = true;
  });
  await sleep(keeper.intervalMs, undefined, { signal: stopping.signal }).catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error;
  });
}
server.close();
server.closeAllConnections();
