import type { App } from "@tac/kit";
import { ProtocolError } from "@tac/protocol";

/** @throws ProtocolError `unknown_model` */
export const requireModel = (models: readonly string[], model: string): void => {
  if (!models.includes(model)) throw new ProtocolError("unknown_model", { param: "model" });
};

export const addModelsRoute = (app: App, models: readonly string[]): void => {
  app.get("/v1/models", async () => ({
    object: "list",
    data: models.map((id) => ({ id, object: "model", created: 0, owned_by: "simulator" })),
  }));
};
