import type { Layout, PartName } from "./layout.ts";

/** Where a part listens; only the gateway speaks TLS. */
export const urlOf = (layout: Layout, name: PartName): string =>
  `${name === "gateway" ? "https" : "http"}://127.0.0.1:${layout.ports[name]}`;
