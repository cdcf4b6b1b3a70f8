import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fetch } from "undici";
import { expect, test } from "vitest";
import { createApp } from "./app.ts";
import { createLogger } from "./logger.ts";
import { createMetrics } from "./metrics.ts";

test("closing waits for the running call, not for connections without one", async () => {
  const app = createApp({
    service: "test",
    logger: createLogger({ service: "test", level: "silent" }),
    metrics: createMetrics({ service: "test", processMetrics: false }),
  });
  app.get("/slow", async () => {
    await sleep(200);
    return "done";
  });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const unused = connect(Number(new URL(url).port), "127.0.0.1");
  await once(unused, "connect");
  const kept = await fetch(`${url}/livez`);
  await kept.text();
  const slow = fetch(`${url}/slow`);
  await sleep(50);
  const startedAt = performance.now();
  await app.close();
  const closedAfterMs = performance.now() - startedAt;
  expect(await (await slow).text()).toBe("done");
  expect(closedAfterMs).toBeGreaterThan(100);
  expect(closedAfterMs).toBeLessThan(2_000);
});
