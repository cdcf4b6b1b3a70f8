import { type App, parseBody, parseParams, requireBearerToken } from "@tac/kit";
import { ProtocolError, Tariff, Wire } from "@tac/protocol";
import { z } from "zod";
import type { StoredTariff, TariffStore } from "../TariffStore.ts";

const hashParams = z.object({ tariffHash: Wire.bytes32 });
const providerParams = z.object({ providerId: z.coerce.number().pipe(Wire.providerId) });
const pageQuery = z.strictObject({
  beforeVersion: z.coerce.number().int().min(1).max(0xffff_ffff).default(0xffff_ffff),
  limit: z.coerce.number().int().min(1).max(100).default(20),
});

const toJson = ({ tariff, tariffHash }: StoredTariff) => ({ tariff: Tariff.toJson(tariff), tariffHash });

/** Reading is open to everyone; appending a version is the operator's. */
export const addTariffRoutes = (
  app: App,
  { store, adminToken, now }: { store: TariffStore; adminToken: string; now: () => number },
): void => {
  const requireAdmin = requireBearerToken(adminToken);

  app.get("/v1/tariffs", async () => ({ tariffs: (await store.current(now())).map(toJson) }));

  app.get("/v1/tariffs/:tariffHash", async (request, reply) => {
    const { tariffHash } = parseParams(hashParams, request.params);
    const stored = await store.find(tariffHash);
    if (stored === undefined) throw new ProtocolError("unknown_tariff", { param: "tariffHash" });
    reply.header("cache-control", "public, max-age=31536000, immutable");
    return toJson(stored);
  });

  app.get("/v1/providers/:providerId/tariffs", async (request) => {
    const { providerId } = parseParams(providerParams, request.params);
    const page = parseParams(pageQuery, request.query);
    const found = await store.history(providerId, page);
    const last = found.length === page.limit ? found.at(-1)?.tariff.version : undefined;
    return { tariffs: found.map(toJson), nextBeforeVersion: last === undefined || last === 1 ? null : last };
  });

  app.put("/v1/tariffs", {
    onRequest: async (request) => requireAdmin(request.headers.authorization),
    handler: async (request, reply) => {
      const { added, ...stored } = await store.append(parseBody(Tariff.schema, request.body));
      if (added) {
        const { providerId, version } = stored.tariff;
        request.log.info({ providerId, version, tariffHash: stored.tariffHash }, "tariff appended");
      }
      reply.code(added ? 201 : 200);
      return toJson(stored);
    },
  });
};
