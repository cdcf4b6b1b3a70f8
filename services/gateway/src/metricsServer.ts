import { once } from "node:events";
import { createServer } from "node:http";
import type { Metrics } from "@tac/kit";

export type MetricsServer = { port: number; close: () => Promise<void> };

/** Serves `GET /metrics` (Prometheus) on a listener of its own, which callers of the gateway cannot reach. */
export async function serveMetrics(
  { registry }: Metrics,
  { host, port }: { host: string; port: number },
): Promise<MetricsServer> {
  const server = createServer(async (request, response) => {
    if (request.method !== "GET" || request.url !== "/metrics") {
      response.writeHead(404).end();
      return;
    }
    try {
      const text = await registry.metrics();
      response.writeHead(200, { "content-type": registry.contentType }).end(text);
    } catch {
      // A gauge that could not be read is the scraper's to report; its error says nothing that a log lacks.
      response.writeHead(503).end();
    }
  });
  server.listen(port, host);
  await once(server, "listening");
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : port,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
