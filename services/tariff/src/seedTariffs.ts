import { loadJsonFile } from "@tac/kit";
import { Tariff } from "@tac/protocol";
import { z } from "zod";
import type { TariffStore } from "./TariffStore.ts";

/**
 * Appends the tariffs of a JSON file (an array) that are not recorded yet, in the order of their versions.
 * The same file again changes nothing; a recorded version with other terms is an error.
 *
 * @returns how many were appended.
 */
export const seedTariffs = async (store: TariffStore, path: string): Promise<number> => {
  const tariffs = await loadJsonFile(path, z.array(Tariff.schema));
  let added = 0;
  for (const tariff of tariffs.toSorted((left, right) => left.version - right.version)) {
    if ((await store.append(tariff)).added) added += 1;
  }
  return added;
};
