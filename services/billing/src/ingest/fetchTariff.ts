import { fetchJson } from "@tac/kit";
import { Errors, Tariff, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { z } from "zod";

/** Gets a tariff by its hash. */
export type TariffPort = (tariffHash: Hex) => Promise<Tariff.Tariff>;

const answerSchema = z.object({ tariff: Tariff.schema, tariffHash: Wire.bytes32 });

/** A TariffPort over the tariff service. Throws `provider_error` when the document is not the one asked for. */
export function createTariffPort(tariffUrl: string): TariffPort {
  return async (tariffHash) => {
    const { tariff } = await fetchJson(`${tariffUrl.replace(/\/+$/, "")}/v1/tariffs/${tariffHash}`, {
      schema: answerSchema,
    });
    if (Tariff.hash(tariff) !== tariffHash)
      throw Errors.fromCode("provider_error", {
        detail: `The tariff service answered ${tariffHash} with a tariff of another hash.`,
      });
    return tariff;
  };
}
