import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { foundryBinary } from "@tac/contracts/foundryBinary";
import { ThresholdBls } from "@tac/protocol";
import { createPublicClient, createWalletClient, type Hex, http, isHex, parseAbi } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestChain, type TestChain } from "../src/testing/index.ts";

const ROUNDS = 300;
const CALLS_AT_ONCE = 25;

const root = fileURLToPath(new URL("../../../", import.meta.url));
const harness = "contracts/test/utils/Bls12381Harness.sol";
const abi = parseAbi(["function hashToG1(bytes message, bytes dst) view returns (bytes)"]);

/** The harness is always built anew, in a folder of its own: an artifact of an earlier source would prove nothing. */
const harnessBytecode = (): Hex => {
  const folder = mkdtempSync(join(tmpdir(), "hash-to-curve-"));
  execFileSync(
    foundryBinary("forge"),
    ["build", "--quiet", harness, "--out", join(folder, "out"), "--cache-path", join(folder, "cache")],
    { cwd: root, stdio: "pipe" },
  );
  const artifactPath = join(folder, "out/Bls12381Harness.sol/Bls12381Harness.json");
  const artifact: unknown = JSON.parse(readFileSync(artifactPath, "utf8"));
  rmSync(folder, { recursive: true });
  if (typeof artifact === "object" && artifact !== null && "bytecode" in artifact) {
    const { bytecode } = artifact;
    if (typeof bytecode === "object" && bytecode !== null && "object" in bytecode && isHex(bytecode.object)) {
      return bytecode.object;
    }
  }
  throw new Error(`${artifactPath} holds no bytecode`);
};

type Round = { name: string; message: Hex; dst: string };

/** Round `index` of a seed: a 32-byte message, and a tag of 1 to 255 printable ASCII characters. */
const roundOf = (seed: string, index: number): Round => {
  const bytes = (label: string, length: number): Buffer =>
    createHash("shake256", { outputLength: length }).update(`${seed}:${index}:${label}`).digest();
  const dstLength = 1 + ((bytes("length", 1)[0] ?? 0) % 255);
  const dst = [...bytes("dst", dstLength)].map((byte) => String.fromCharCode(33 + (byte % 94))).join("");
  return { name: `seed ${seed}, round ${index}`, message: `0x${bytes("message", 32).toString("hex")}`, dst };
};

describe("RFC 9380 hash to G1, off chain and on chain", () => {
  let chain: TestChain;

  beforeAll(async () => {
    chain = await startTestChain();
  });
  afterAll(() => chain?.stop());

  it(`agrees for ${ROUNDS} random messages under random tags, and under the two in use`, async () => {
    const seed = process.env.BLS_FUZZ_SEED ?? randomBytes(8).toString("hex");
    const transport = http(chain.rpcUrl, { batch: true });
    const account = privateKeyToAccount(chain.privateKeys[0]);
    const wallet = createWalletClient({ account, chain: foundry, transport });
    const reader = createPublicClient({ chain: foundry, transport, pollingInterval: 50 });
    const hash = await wallet.deployContract({ abi, bytecode: harnessBytecode() });
    const { contractAddress } = await reader.waitForTransactionReceipt({ hash });
    if (!contractAddress) throw new Error("The harness was not deployed");

    const rounds = Array.from({ length: ROUNDS }, (_, index) => roundOf(seed, index));
    for (const dst of [ThresholdBls.SIGNATURE_DST, ThresholdBls.POSSESSION_DST]) {
      rounds.push({ ...roundOf(seed, ROUNDS), name: `seed ${seed}, ${dst}`, dst });
    }
    for (let from = 0; from < rounds.length; from += CALLS_AT_ONCE) {
      const part = rounds.slice(from, from + CALLS_AT_ONCE);
      const points = await Promise.all(
        part.map(({ message, dst }) =>
          reader.readContract({
            address: contractAddress,
            abi,
            functionName: "hashToG1",
            args: [message, `0x${Buffer.from(dst, "ascii").toString("hex")}`],
          }),
        ),
      );
      for (const [index, { name, message, dst }] of part.entries()) {
        expect(points[index], `${name}: message ${message}, tag ${dst}`).toBe(
          ThresholdBls.hashToPoint(message, dst),
        );
      }
    }
  });
});
