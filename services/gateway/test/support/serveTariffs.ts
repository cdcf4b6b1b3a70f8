import { createServer, type Server } from "node:http";
import { Tariff } from "@tac/protocol";
import { listen } from "./listen.ts";
import { chatTariff, embeddingTariff } from "./tariffs.ts";

/** What a tariff server publishes: all tariffs, or the one whose hash is asked for. */
export async function serveTariffs(): Promise<{ url: string; server: Server }> {
  const published = [chatTariff, embeddingTariff].map((tariff) => ({
    tariff: Tariff.toJson(tariff),
    tariffHash: Tariff.hash(tariff),
  }));
  const server = createServer((request, response) => {
    const hash = request.url?.split("/")[3];
    const found =
      hash === undefined ? { tariffs: published } : published.find(({ tariffHash }) => tariffHash === hash);
    response
      .writeHead(found ? 200 : 404, { "content-type": "application/json" })
      .end(JSON.stringify(found ?? {}));
  });
  return { url: `http://127.0.0.1:${await listen(server)}`, server };
}
