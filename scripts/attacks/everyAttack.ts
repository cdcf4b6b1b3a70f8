import type { AttackGroup } from "./Attack.ts";
import { capabilities } from "./capabilities.ts";
import { harvests } from "./harvests.ts";
import { proofs } from "./proofs.ts";
import { providers } from "./providers.ts";
import { requests } from "./requests.ts";
import { revocations } from "./revocations.ts";
import { tokens } from "./tokens.ts";

export const everyAttack: readonly AttackGroup[] = [
  ...proofs,
  ...tokens,
  ...capabilities,
  ...requests,
  ...providers,
  ...harvests,
  ...revocations,
];
