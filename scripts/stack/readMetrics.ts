import type { PartName } from "./layout.ts";
import type { Stack } from "./Stack.ts";
import { urlOf } from "./urlOf.ts";

/** The Prometheus text of a service that serves `/metrics` on its own listener. */
export const readMetrics = async ({ layout }: Stack, name: PartName): Promise<string> => {
  const response = await fetch(`${urlOf(layout, name)}/metrics`, { signal: AbortSignal.timeout(5_000) });
  if (!response.ok) throw new Error(`${name}/metrics answered ${response.status}.`);
  return response.text();
};
