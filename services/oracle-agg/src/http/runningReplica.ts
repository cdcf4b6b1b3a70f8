import { Errors } from "@tac/protocol";
import type { Runtime } from "../Runtime.ts";
import type { Replica } from "../replica.ts";

/** The running replica; `store_unavailable`, which is worth another try, while it is not running. */
export const runningReplica = (runtime: Runtime): Replica => {
  try {
    return runtime.replica();
  } catch (cause) {
    throw Errors.fromCode("store_unavailable", { detail: "The replica is not running yet.", cause });
  }
};
