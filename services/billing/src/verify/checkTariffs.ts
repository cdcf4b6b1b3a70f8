import { Tariff } from "@tac/protocol";
import type { Hex } from "viem";
import type { Context } from "./Context.ts";

/** A tariff that no line uses is not checked by any line, so it has no place in an invoice. */
export function checkTariffs({ invoice, report }: Context): void {
  const used = new Set<Hex>(invoice.lines.map(({ receipt }) => receipt.tariffHash));
  const seen = new Set<Hex>();
  for (const [index, tariff] of invoice.tariffs.entries()) {
    const hash = Tariff.hash(tariff);
    if (seen.has(hash))
      report(`tariffs[${index}]`, "duplicate_tariff", "an earlier entry is the same tariff");
    else if (!used.has(hash))
      report(
        `tariffs[${index}]`,
        "unused_tariff",
        `no receipt was priced by this tariff, which hashes to ${hash}; a price in it may have been changed`,
      );
    seen.add(hash);
  }
}
