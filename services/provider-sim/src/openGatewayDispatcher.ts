import { type Logger, type Metrics, TlsDispatcher, watchTls } from "@tac/kit";
import { Agent, type Dispatcher } from "undici";
import type { Config } from "./config.ts";

export type GatewayDispatcher = { dispatcher: Dispatcher; close: () => Promise<void> };

/** Connections to the gateway. The authorities it may be certified by are followed when `GATEWAY_CA_FILE` names them. */
export const openGatewayDispatcher = (
  { GATEWAY_CA_FILE: caFile }: Pick<Config, "GATEWAY_CA_FILE">,
  { logger, metrics }: { logger: Logger; metrics: Metrics },
): GatewayDispatcher => {
  if (caFile === undefined) {
    const dispatcher = new Agent();
    return { dispatcher, close: () => dispatcher.close() };
  }
  const source = watchTls({ caFile }, { logger, metrics, certificate: "gateway" });
  const dispatcher = new TlsDispatcher({ source, create: (connect) => new Agent({ connect }) });
  return {
    dispatcher,
    close: async () => {
      await dispatcher.close();
      source.close();
    },
  };
};
