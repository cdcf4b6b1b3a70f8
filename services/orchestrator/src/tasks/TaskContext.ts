import type { Logger, Pool } from "@tac/kit";
import type { Tariff } from "@tac/protocol";
import type { Client } from "@tac/sdk";
import type { Address, Hex } from "viem";
import type { AuditStore } from "../audit/AuditStore.ts";
import type { Policy } from "../policy/Policy.ts";
import type { TaskStore } from "./TaskStore.ts";

/** What preparing, running and recovering tasks need. */
export type TaskContext = {
  pool: Pool;
  tasks: TaskStore;
  audit: AuditStore;
  client: Client;
  policy: Policy;
  tenant: Address;
  tenantPrivateKey: Hex;
  fetchTariffs: () => Promise<Tariff.Tariff[]>;
  settlementTimeoutMs: number;
  logger: Logger;
};
