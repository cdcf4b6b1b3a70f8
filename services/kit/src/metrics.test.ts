import { expect, test } from "vitest";
import { createMetrics } from "./metrics.ts";

test("labels every sample with the service", async () => {
  const metrics = createMetrics({ service: "tariff", processMetrics: false });
  metrics.counter("quotes_total", "Quotes signed", ["outcome"]).inc({ outcome: "signed" });
  metrics.histogram("auth_verify_ms", "Verification").observe(0.3);
  metrics.gauge("queue_depth", "Waiting").set(4);
  metrics.observedGauge("lag_blocks", "Lag", async () => 7);
  const text = await metrics.registry.metrics();
  expect(text).toContain('quotes_total{outcome="signed",service="tariff"} 1');
  expect(text).toContain('auth_verify_ms_bucket{le="0.5",service="tariff"} 1');
  expect(text).toContain('auth_verify_ms_bucket{le="0.25",service="tariff"} 0');
  expect(text).toContain('queue_depth{service="tariff"} 4');
  expect(text).toContain('lag_blocks{service="tariff"} 7');
});

test("two services in one process do not share samples", async () => {
  const first = createMetrics({ service: "a" });
  const second = createMetrics({ service: "b" });
  first.counter("calls_total", "Calls").inc();
  second.counter("calls_total", "Calls");
  expect(await second.registry.metrics()).toContain('calls_total{service="b"} 0');
});
