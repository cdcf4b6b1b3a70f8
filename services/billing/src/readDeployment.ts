import { readFileSync } from "node:fs";
import { Deployment } from "@tac/protocol";

/** Reads addresses.json. Throws when it is unreadable or incomplete. */
export function readDeployment(path: string): Deployment.Deployment {
  return Deployment.schema.parse(JSON.parse(readFileSync(path, "utf8")));
}
