import type { Layout, PartName } from "./layout.ts";

/** Whether a part speaks TLS: those that others reach with tokens or as peers do; the rest listens on loopback alone. */
export const speaksTls = (name: PartName): boolean =>
  name === "gateway" || name.startsWith("aggregator-") || name.startsWith("provider-sim-");

/** Where a part listens. */
export const urlOf = (layout: Layout, name: PartName): string =>
  `${speaksTls(name) ? "https" : "http"}://127.0.0.1:${layout.ports[name]}`;
