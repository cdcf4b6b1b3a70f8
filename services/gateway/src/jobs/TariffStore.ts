import { FetchError, fetchJson, type Pool } from "@tac/kit";
import { Errors, type Quote, Tariff, Wire } from "@tac/protocol";
import type { Hex } from "viem";
import { z } from "zod";
import type { ChainPort } from "../chain/ChainPort.ts";
import { bytesOf, hexOf } from "../ledger/bytes.ts";

const publishedSchema = z.object({ tariff: Tariff.schema, tariffHash: Wire.bytes32 });
const catalogueSchema = z.object({ tariffs: z.array(publishedSchema) });

/**
 * Tariffs by hash. A document counts only when it hashes to the name it goes by and the chain has that hash for its
 * provider and version; then it is kept for good, because a tariff cannot change under a lock.
 */
export class TariffStore {
  readonly #pool: Pool;
  readonly #chain: Pick<ChainPort, "tariffHashOf">;
  readonly #tariffUrl: string;
  readonly #known = new Map<Hex, Tariff.Tariff>();

  constructor(pool: Pool, chain: Pick<ChainPort, "tariffHashOf">, tariffUrl: string) {
    this.#pool = pool;
    this.#chain = chain;
    this.#tariffUrl = tariffUrl;
  }

  /** The tariffs of a quote, fetched and checked where they are new. Errors: `quote_mismatch`, `chain_unavailable`. */
  async ensure(refs: readonly Quote.TariffRef[]): Promise<ReadonlyMap<Hex, Tariff.Tariff>> {
    const entries = await Promise.all(
      refs.map(async (ref) => {
        const tariff = (await this.find(ref.tariffHash)) ?? (await this.#fetch(ref.tariffHash));
        if (tariff.providerId !== ref.providerId || tariff.version !== ref.version) {
          throw Errors.fromCode("quote_mismatch", { param: "signedQuote.tariffs" });
        }
        return [ref.tariffHash, tariff] as const;
      }),
    );
    return new Map(entries);
  }

  /** A tariff that was checked before. */
  async find(tariffHash: Hex): Promise<Tariff.Tariff | null> {
    const known = this.#known.get(tariffHash);
    if (known) return known;
    const { rows } = await this.#pool.query<{ tariff: unknown }>(
      "SELECT tariff FROM tariffs WHERE tariff_hash = $1",
      [bytesOf(tariffHash)],
    );
    if (rows[0] === undefined) return null;
    const tariff = Wire.parse(Tariff.schema, rows[0].tariff, "internal");
    this.#known.set(tariffHash, tariff);
    return tariff;
  }

  /** What the tariff service offers now, as far as the chain confirms it. Errors: why the first of the others is not. */
  async refresh(): Promise<void> {
    const { tariffs } = await fetchJson(new URL("/v1/tariffs", this.#tariffUrl).href, {
      schema: catalogueSchema,
    });
    let refusal: unknown = null;
    for (const { tariff, tariffHash } of tariffs) {
      if (this.#known.has(tariffHash)) continue;
      await this.#check(tariff, tariffHash).catch((error: unknown) => {
        refusal ??= error;
      });
    }
    if (refusal !== null) throw refusal;
  }

  /** Whether any tariff seen by this process has the model. */
  hasModel(model: string): boolean {
    return [...this.#known.values()].some((tariff) => Tariff.findModel(tariff, model) !== undefined);
  }

  /** The newest known tariff of each provider. */
  async newest(): Promise<Tariff.Tariff[]> {
    const { rows } = await this.#pool.query<{ tariff_hash: Buffer }>(
      "SELECT DISTINCT ON (provider_id) tariff_hash FROM tariffs ORDER BY provider_id, tariff_version DESC",
    );
    const tariffs = await Promise.all(rows.map(({ tariff_hash }) => this.find(hexOf(tariff_hash))));
    return tariffs.filter((tariff) => tariff !== null);
  }

  async #fetch(tariffHash: Hex): Promise<Tariff.Tariff> {
    try {
      const url = new URL(`/v1/tariffs/${tariffHash}`, this.#tariffUrl).href;
      const { tariff } = await fetchJson(url, { schema: publishedSchema });
      await this.#check(tariff, tariffHash);
      return tariff;
    } catch (cause) {
      if (!(cause instanceof FetchError)) throw cause;
      throw Errors.fromCode(cause.retryable ? "store_unavailable" : "quote_mismatch", {
        param: "signedQuote.tariffs",
        detail: "The tariff service does not give a tariff of this quote.",
        cause,
      });
    }
  }

  async #check(tariff: Tariff.Tariff, tariffHash: Hex): Promise<void> {
    const published = await this.#chain.tariffHashOf(tariff.providerId, tariff.version);
    if (Tariff.hash(tariff) !== tariffHash || published !== tariffHash) {
      throw Errors.fromCode("quote_mismatch", {
        param: "signedQuote.tariffs",
        detail: `Provider ${tariff.providerId} did not publish this tariff on chain.`,
      });
    }
    await this.#pool.query(
      `INSERT INTO tariffs (tariff_hash, provider_id, tariff_version, tariff, stored_at_ms)
       VALUES ($1, $2, $3, $4, store_now_ms()) ON CONFLICT DO NOTHING`,
      [bytesOf(tariffHash), tariff.providerId, tariff.version, JSON.stringify(Tariff.toJson(tariff))],
    );
    this.#known.set(tariffHash, tariff);
  }
}
