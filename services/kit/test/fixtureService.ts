import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import {
  closeWithGrace,
  configFields,
  createApp,
  createLogger,
  createMetrics,
  loadConfig,
  runService,
} from "../src/index.ts";

await runService(async () => {
  const config = loadConfig({
    PORT: z.coerce.number().int().describe("a TCP port"),
    HANG: configFields.flag,
  });
  const logger = createLogger({ service: "fixture" });
  const app = createApp({ service: "fixture", logger, metrics: createMetrics({ service: "fixture" }) });
  app.get("/slow", async (request) => {
    request.log.info("slow call began");
    await sleep(300);
    return "done";
  });
  app.get("/reject", async () => {
    Promise.reject(new Error("nobody waits for this"));
    return "ok";
  });
  closeWithGrace({
    logger,
    deadlineMs: 1_500,
    closers: {
      app: async () => {
        await app.close();
        logger.info("app closed");
      },
      store: async () => {
        if (config.HANG) await sleep(60_000);
        logger.info("store closed");
      },
    },
  });
  await app.listen({ host: "127.0.0.1", port: config.PORT });
  logger.info("listening");
});
