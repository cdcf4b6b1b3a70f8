import { mkdirSync, writeFileSync } from "node:fs";
import * as money from "./vectors/money.ts";
import * as tokens from "./vectors/tokens.ts";
import * as usage from "./vectors/usage.ts";

/**
 * Writes the golden vectors from fixed keys; run `pnpm vectors` in this package. A vector that changes is a changed wire format, so the
 * files are committed, and the tests of every language replay them. Bytes are hex, big integers decimal digits.
 */
const files = {
  pricing: money.pricing(),
  tariff: money.tariff(),
  quote: money.quote(),
  capability: money.capability(),
  usageReceipt: usage.usageReceipt(),
  usageReport: usage.usageReport(),
  lines: usage.lines(),
  batchHeader: usage.batchHeader(),
  merkle: usage.merkle(),
  bls: usage.bls(),
  usageAuth: tokens.usageAuth(),
  dpop: tokens.dpop(),
  thumbprint: tokens.thumbprint(),
};

const folder = new URL("../vectors/", import.meta.url);
mkdirSync(folder, { recursive: true });
for (const [name, content] of Object.entries(files)) {
  writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(content, null, 2)}\n`);
}
