import { FetchError, fetchJson } from "@tac/kit";
import { ProtocolError, Tariff, Wire } from "@tac/protocol";
import { z } from "zod";

const answer = z.object({ tariffs: z.array(z.object({ tariff: Tariff.schema, tariffHash: Wire.bytes32 })) });

/** The tariffs on offer now. Whoever changed one on the way is found out by its hash. Throws `store_unavailable`. */
export async function fetchTariffs(tariffUrl: string): Promise<Tariff.Tariff[]> {
  try {
    const { tariffs } = await fetchJson(new URL("/v1/tariffs", tariffUrl).href, { schema: answer });
    return tariffs
      .filter(({ tariff, tariffHash }) => Tariff.hash(tariff) === tariffHash)
      .map(({ tariff }) => tariff);
  } catch (cause) {
    if (!(cause instanceof FetchError)) throw cause;
    throw new ProtocolError("store_unavailable", { detail: "The tariff service cannot be reached.", cause });
  }
}
