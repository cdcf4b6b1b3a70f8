import { type Pool, type Transaction, withTransaction } from "@tac/kit";
import { type Hex, Plan, ProtocolError, Quote, Tariff, Wire } from "@tac/protocol";

export type StoredTariff = { tariff: Tariff.Tariff; tariffHash: Hex };

export type TariffStore = {
  /** Appends the next version of a provider's tariff; the same document again changes nothing. */
  append: (tariff: Tariff.Tariff) => Promise<StoredTariff & { added: boolean }>;
  find: (tariffHash: Hex) => Promise<StoredTariff | undefined>;
  /** The version of each provider that is in force at `nowMs`, ascending by provider. */
  current: (nowMs: number) => Promise<StoredTariff[]>;
  /** Every version of a provider, newest first. */
  history: (providerId: number, page: { beforeVersion: number; limit: number }) => Promise<StoredTariff[]>;
  recordQuote: (quoteHash: Hex, signed: Quote.SignedQuote) => Promise<void>;
};

type Row = { document: string; tariff_hash: Hex };

/** Parsed again on the way out: what is served is what the hash says, or nothing. */
const fromRow = ({ document, tariff_hash }: Row): StoredTariff => {
  const tariff = Wire.parse(Tariff.schema, JSON.parse(document), "internal");
  if (Tariff.hash(tariff) !== tariff_hash) {
    throw new ProtocolError("internal", { detail: `The stored tariff ${tariff_hash} has another hash.` });
  }
  return { tariff, tariffHash: tariff_hash };
};

const latestOf = async (transaction: Transaction, providerId: number) => {
  const { rows } = await transaction.query<{ version: bigint; effective_from_ms: bigint }>(
    "SELECT version, effective_from_ms FROM tariffs WHERE provider_id = $1 ORDER BY version DESC LIMIT 1",
    [providerId],
  );
  return rows[0];
};

/** Tariffs and quotes in PostgreSQL; the tables refuse every change but an insert. */
export const createTariffStore = (pool: Pool): TariffStore => ({
  append: (tariff) =>
    withTransaction(pool, async (transaction) => {
      const { providerId, version, effectiveFromMs } = tariff;
      const tariffHash = Tariff.hash(tariff);
      // Versions are given out one after the other, so two administrators cannot both append the same one.
      await transaction.query("SELECT pg_advisory_xact_lock($1)", [providerId]);
      const known = await transaction.query<{ tariff_hash: Hex }>(
        "SELECT tariff_hash FROM tariffs WHERE provider_id = $1 AND version = $2",
        [providerId, version],
      );
      if (known.rows[0]?.tariff_hash === tariffHash) return { tariff, tariffHash, added: false };
      if (known.rows[0] !== undefined) {
        const detail = `Version ${version} of provider ${providerId} is recorded with other terms; a version never changes.`;
        throw new ProtocolError("idempotency_conflict", { detail, param: "version" });
      }
      const latest = await latestOf(transaction, providerId);
      const next = Number(latest?.version ?? 0n) + 1;
      if (version !== next) {
        const detail = `The next version of provider ${providerId} is ${next}, not ${version}.`;
        throw new ProtocolError("invalid_request", { detail, param: "version" });
      }
      if (latest !== undefined && BigInt(effectiveFromMs) < latest.effective_from_ms) {
        const detail = `A later version cannot come into force before an earlier one (${latest.effective_from_ms}).`;
        throw new ProtocolError("invalid_request", { detail, param: "effectiveFromMs" });
      }
      await transaction.query(
        "INSERT INTO tariffs (tariff_hash, provider_id, version, effective_from_ms, document) VALUES ($1, $2, $3, $4, $5)",
        [tariffHash, providerId, version, effectiveFromMs, Wire.canonicalJson(Tariff.toJson(tariff))],
      );
      return { tariff, tariffHash, added: true };
    }),

  find: async (tariffHash) => {
    const { rows } = await pool.query<Row>(
      "SELECT document, tariff_hash FROM tariffs WHERE tariff_hash = $1",
      [tariffHash],
    );
    return rows[0] === undefined ? undefined : fromRow(rows[0]);
  },

  current: async (nowMs) => {
    const { rows } = await pool.query<Row>(
      `SELECT DISTINCT ON (provider_id) document, tariff_hash FROM tariffs
       WHERE effective_from_ms <= $1 ORDER BY provider_id, version DESC`,
      [nowMs],
    );
    return rows.map(fromRow);
  },

  history: async (providerId, { beforeVersion, limit }) => {
    const { rows } = await pool.query<Row>(
      `SELECT document, tariff_hash FROM tariffs WHERE provider_id = $1 AND version < $2
       ORDER BY version DESC LIMIT $3`,
      [providerId, beforeVersion, limit],
    );
    return rows.map(fromRow);
  },

  recordQuote: async (quoteHash, signed) => {
    const { quote, tariffs } = signed;
    await pool.query(
      `WITH quoted AS (
         INSERT INTO quotes (quote_hash, tenant, gateway, plan_hash, ceiling_nano, issued_at, expires_at, document)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING quote_hash)
       INSERT INTO quote_tariffs (quote_hash, tariff_hash) SELECT $1, unnest($9::text[])`,
      [
        quoteHash,
        quote.tenant,
        quote.gateway,
        Plan.hash(signed.plan),
        quote.ceilingNano,
        quote.issuedAt,
        quote.expiresAt,
        Wire.canonicalJson(Quote.signedToJson(signed)),
        tariffs.map(({ tariffHash }) => tariffHash),
      ],
    );
  },
});
