import { expect, it } from "vitest";
import { firstFailure } from "../../scripts/mutation/firstFailure.ts";

it("names a failing example, a failing property and a failing setup", () => {
  expect(firstFailure("[PASS] test_A() (gas: 1)\n[FAIL: 1 != 2] test_B() (gas: 2)\n")).toBe("test_B");
  const property =
    "[FAIL: reason; counterexample: calldata=0x12 args=[1, [2]]] testFuzz_C(uint256) (runs: 3)\n";
  expect(firstFailure(property)).toBe("testFuzz_C");
  expect(firstFailure("[FAIL: EvmError: Revert] setUp() (gas: 0)\n")).toBe("setUp");
});

it("names a broken invariant, which stands behind the calls that broke it", () => {
  const broken = [
    "[PASS] test_A() (gas: 1)",
    "[FAIL: INV-20: the sum is not its lines']",
    "\t[Sequence] (original: 11, shrunk: 1)",
    "\t\tsender=0x11 addr=[SettlementHandler.sol:SettlementHandler]0xa0 calldata=submit(uint256,uint8) args=[61, 69]",
    " invariant_EachHolds() (runs: 11, calls: 704, reverts: 0)",
    "",
  ];
  expect(firstFailure(broken.join("\n"))).toBe("invariant_EachHolds");
});

it("names nothing where nothing failed", () => {
  expect(firstFailure("[PASS] test_A() (gas: 1)\n")).toBeNull();
  expect(firstFailure("Error: Compiler run failed:\n")).toBeNull();
});
