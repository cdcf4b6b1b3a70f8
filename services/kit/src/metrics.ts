import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

export type Metrics = ReturnType<typeof createMetrics>;

/** Milliseconds from a tenth of one to ten seconds: the range of a call. */
export const millisecondBuckets = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000,
];

/** How often the event loop's lag is sampled. The default, every 10 ms, wakes an idle process two hundred times a second. */
const LAG_PRECISION_MS = 100;

/**
 * A registry of its own (never the global one, so that two apps in one process do not collide),
 * whose samples carry the label `service`.
 */
export const createMetrics = ({
  service,
  processMetrics = true,
}: {
  service: string;
  processMetrics?: boolean;
}) => {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  if (processMetrics)
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LAG_PRECISION_MS });
  const registers = [registry];
  return {
    registry,
    counter: <Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) =>
      new Counter<Label>({ name, help, labelNames: [...labelNames], registers }),
    gauge: <Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) =>
      new Gauge<Label>({ name, help, labelNames: [...labelNames], registers }),
    /** A gauge whose value is read when it is scraped. */
    observedGauge: (name: string, help: string, read: () => number | Promise<number>) =>
      new Gauge({
        name,
        help,
        registers,
        async collect() {
          this.set(await read());
        },
      }),
    histogram: <Label extends string = never>(
      name: string,
      help: string,
      labelNames: readonly Label[] = [],
      buckets: readonly number[] = millisecondBuckets,
    ) => new Histogram<Label>({ name, help, labelNames: [...labelNames], buckets: [...buckets], registers }),
  };
};
