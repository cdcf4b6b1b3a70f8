import { afterAll, beforeAll, describe } from "vitest";
import type { Stack } from "../stack/Stack.ts";
import { aggregatorsFail } from "./aggregatorsFail.ts";
import { billsToTheNanocredit } from "./billsToTheNanocredit.ts";
import { gatewayDies } from "./gatewayDies.ts";
import { gatewayLies } from "./gatewayLies.ts";
import { invoicesAreTampered } from "./invoicesAreTampered.ts";
import { isAttacked } from "./isAttacked.ts";
import { openaiClient } from "./openaiClient.ts";
import { orchestrates } from "./orchestrates.ts";
import { refuses } from "./refuses.ts";
import { rotatesCertificates } from "./rotatesCertificates.ts";
import { startTestStack, stopTestStack } from "./support.ts";

describe("the whole system", () => {
  let stack: Stack | undefined;
  const stackOf = (): Stack => {
    if (stack === undefined) throw new Error("The stack is not running.");
    return stack;
  };
  beforeAll(async () => {
    stack = await startTestStack();
  });
  afterAll(async () => {
    if (stack !== undefined) await stopTestStack(stack);
  });

  billsToTheNanocredit(stackOf);
  openaiClient(stackOf);
  refuses(stackOf);
  isAttacked(stackOf);
  invoicesAreTampered(stackOf);
  gatewayLies(stackOf);
  orchestrates(stackOf);
  rotatesCertificates(stackOf);
  gatewayDies(stackOf);
  aggregatorsFail(stackOf);
});
