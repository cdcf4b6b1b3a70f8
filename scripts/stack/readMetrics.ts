import { request } from "undici";
import { openAgent } from "./health.ts";
import type { PartName } from "./layout.ts";
import type { Stack } from "./Stack.ts";
import { speaksTls, urlOf } from "./urlOf.ts";

/** The Prometheus text of a service that serves `/metrics` on its own listener. */
export const readMetrics = async ({ layout, certificates }: Stack, name: PartName): Promise<string> => {
  const { caFile, of } = certificates;
  const dispatcher = openAgent(speaksTls(name) ? { caFile, ...of("operator") } : undefined);
  try {
    const url = `${urlOf(layout, name)}/metrics`;
    const { statusCode, body } = await request(url, { dispatcher, signal: AbortSignal.timeout(5_000) });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`${name}/metrics answered ${statusCode}.`);
    return text;
  } finally {
    await dispatcher.close();
  }
};
