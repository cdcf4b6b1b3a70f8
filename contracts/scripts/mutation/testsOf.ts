import { basename } from "node:path";

/** Sources without a folder of their own under test/unit: the tests of what calls them. */
const CALLERS: Record<string, readonly string[]> = {
  Capability: ["unit/CapabilityAuthority"],
  BatchHeaderLib: ["unit/BatchHeaderLib", "unit/UsageReceipts", "integration"],
  BookLib: ["unit/SettlementTreasury", "unit/ChargeBufferLib"],
  CapabilityLib: ["unit/CapabilityAuthority"],
  CursorLib: ["unit/CursorLib", "unit/SettlementTreasury"],
  ChargeBufferLib: ["unit/ChargeBufferLib", "unit/SettlementTreasury"],
  LockLib: ["unit/LockLib", "unit/CreditVault"],
  LineLib: ["unit/LineLib", "unit/SettlementTreasury", "unit/UsageReceipts"],
  UsageReceiptLib: ["unit/UsageReceipts", "integration"],
};

/** Where the tests relevant to a source file are: what to run before the whole suite. */
export const testFoldersOf = (file: string): string[] => {
  const name = basename(file, ".sol");
  return (CALLERS[name] ?? [`unit/${name}`]).map((folder) => `contracts/test/${folder}`);
};

/** The same as a glob for `forge test --match-path`. */
export const testsOf = (file: string): string => {
  const globs = testFoldersOf(file).map((folder) => `${folder}/**`);
  return globs.length === 1 ? `${globs[0]}` : `{${globs.join(",")}}`;
};
