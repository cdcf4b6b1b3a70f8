import { fetchJson } from "@tac/kit";
import { Tariff } from "@tac/protocol";
import type { Hex } from "viem";
import { z } from "zod";
import type { FeedStore } from "../store/FeedStore.ts";

/** Tariff documents by their hash; the hash makes the source of a document irrelevant. */
export type TariffSource = (tariffHash: Hex) => Promise<Tariff.Tariff>;

/** Asks the tariff service, checks the hash and keeps the document, which never changes. */
export const createTariffSource = (tariffUrl: string, store: FeedStore): TariffSource => {
  const known = new Map<Hex, Tariff.Tariff>();
  return async (tariffHash) => {
    const cached = known.get(tariffHash) ?? (await store.tariff(tariffHash));
    if (cached !== null) {
      known.set(tariffHash, cached);
      return cached;
    }
    const { tariff } = await fetchJson(new URL(`/v1/tariffs/${tariffHash}`, tariffUrl).href, {
      schema: z.object({ tariff: Tariff.schema }),
    });
    if (Tariff.hash(tariff) !== tariffHash)
      throw new Error(`The tariff service answered ${tariffHash} with another document.`);
    await store.saveTariff(tariffHash, tariff);
    known.set(tariffHash, tariff);
    return tariff;
  };
};
