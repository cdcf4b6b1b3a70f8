import { concatHex, type Hex, numberToHex, parseAbi, size, toEventSelector, toFunctionSelector } from "viem";

/** What the little contract below declares. */
export const fixtureAbi = parseAbi([
  "function bump(uint256 amount)",
  "function refuse(uint256 amount)",
  "function once()",
  "event Bumped(address indexed sender, uint256 amount)",
]);

/** Its errors, kept apart as those of a contract deeper in the call would be. */
export const fixtureErrorAbi = parseAbi(["error Refused(uint256 amount)", "error AlreadyDone()"]);

const selectorToStack: Hex = "0x5f3560e01c";
const store = (selector: Hex): Hex => concatHex(["0x63", selector, "0x60e01b5f52"]);

/** bump: logs Bumped(caller, amount). */
const bump = concatHex([
  "0x602060045f37",
  "0x33",
  "0x7f",
  toEventSelector("Bumped(address,uint256)"),
  "0x60205fa200",
]);
/** refuse: reverts with Refused(amount). */
const refuse = concatHex([
  "0x5b",
  store(toFunctionSelector("Refused(uint256)")),
  "0x602060046004376024",
  "0x5ffd",
]);
/** once: works while slot 0 is empty, then reverts with AlreadyDone(). */
const onceAt = (start: number): Hex => {
  const head = "0x5b5f54";
  const done = start + size(head) + 3 + 5;
  return concatHex([
    head,
    "0x60",
    numberToHex(done, { size: 1 }),
    "0x57",
    "0x60015f5500",
    "0x5b",
    store(toFunctionSelector("AlreadyDone()")),
    "0x60045ffd",
  ]);
};

const branch = (selector: Hex, target: number): Hex =>
  concatHex(["0x8063", selector, "0x1460", numberToHex(target, { size: 1 }), "0x57"]);

const branchSize = 10;
const bumpStart = size(selectorToStack) + 2 * branchSize;
const refuseStart = bumpStart + size(bump);
const onceStart = refuseStart + size(refuse);

const runtime = concatHex([
  selectorToStack,
  branch(toFunctionSelector("refuse(uint256)"), refuseStart),
  branch(toFunctionSelector("once()"), onceStart),
  bump,
  refuse,
  onceAt(onceStart),
]);

/** Deployment code: copies the runtime behind it and returns it. */
export const fixtureBytecode: Hex = concatHex([
  "0x60",
  numberToHex(size(runtime), { size: 1 }),
  "0x600b5f3960",
  numberToHex(size(runtime), { size: 1 }),
  "0x5ff3",
  "0x00",
  runtime,
]);
