import { utf8ToBytes } from "@noble/hashes/utils.js";
import { fromHex, hex, keccak, keccakText, word } from "./blsVectors.ts";

const DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const HEADER_TYPE =
  "BatchHeader(uint32 laneId,uint32 keyEpoch,uint64 batchNumber,uint64 windowStart,uint64 windowEnd,bytes32 receiptsRoot,uint32 receiptCount,bytes32 linesHash,uint128 totalNano,bytes32 previousBatchHash,bytes32 sourcesHash)";
const RECEIPT_TYPE =
  "UsageReceipt(bytes32 receiptId,bytes32 jobId,bytes32 capabilityHash,address gateway,uint32 providerId,bytes32 modelHash,uint64 inputTokens,uint64 cachedInputTokens,uint64 outputTokens,uint64 requests,uint64 durationMs,uint64 costNano,bytes32 tariffHash,bytes32 requestHash,bytes32 responseHash,bytes32 proofHash,bool countersigned,uint64 occurredAtMs)";

const CHAIN_ID = 31_337n;
const VERIFYING_CONTRACT = "0x00000000000000000000000000000000000bA7c4";
const OPENED_AT_SECONDS = 1_750_000_000n;
const TENANT = "0x00000000000000000000000000000000000000aa";
const GATEWAY = "0x000000000000000000000000000000000000006a";

type Usage = { job: string; providerId: bigint; inputTokens: bigint; outputTokens: bigint; costNano: bigint };

const USAGES: readonly Usage[] = [
  { job: "chat", providerId: 1n, inputTokens: 1_200n, outputTokens: 340n, costNano: 7_654_321n },
  { job: "embed", providerId: 1n, inputTokens: 8_000n, outputTokens: 0n, costNano: 160_000n },
  { job: "chat", providerId: 2n, inputTokens: 90n, outputTokens: 12n, costNano: 999n },
];

const saltOf = (job: string): string => keccakText(`salt of ${job}`);
/** keccak256(abi.encode(tenant, salt)), as CapabilityAuthority derives it. */
const jobIdOf = (job: string): string => hex(keccak(word(BigInt(TENANT)), fromHex(saltOf(job))));

/** Every field in the order of the EIP-712 type; numbers as decimal strings, for they may exceed a double. */
function receiptOf(usage: Usage, index: number) {
  const label = `receipt ${index}`;
  return {
    receiptId: keccakText(label),
    jobId: jobIdOf(usage.job),
    capabilityHash: keccakText(`capability of ${usage.job}`),
    gateway: GATEWAY,
    providerId: usage.providerId,
    modelHash: keccakText("model-1"),
    inputTokens: usage.inputTokens,
    cachedInputTokens: 0n,
    outputTokens: usage.outputTokens,
    requests: 1n,
    durationMs: 250n,
    costNano: usage.costNano,
    tariffHash: keccakText(`tariff of provider ${usage.providerId}`),
    requestHash: keccakText(`request of ${label}`),
    responseHash: keccakText(`response of ${label}`),
    proofHash: keccakText(`proof of ${label}`),
    countersigned: index % 2 === 0 ? 1n : 0n,
    occurredAtMs: OPENED_AT_SECONDS * 1000n + BigInt(index) * 1000n,
  };
}

/** keccak256(typeHash || words): all members of these structs are static, so each is one word. */
function structHash(type: string, members: Record<string, string | bigint>): Uint8Array {
  const words = Object.values(members).map((value) => word(BigInt(value)));
  return keccak(keccak(utf8ToBytes(type)), ...words);
}

function domainSeparator(): Uint8Array {
  return structHash(DOMAIN_TYPE, {
    name: keccakText("UsageReceipts"),
    version: keccakText("1"),
    chainId: CHAIN_ID,
    verifyingContract: VERIFYING_CONTRACT,
  });
}

/** Inner node over the sorted pair, as OpenZeppelin's MerkleProof checks it. */
function hashPair(a: string, b: string): string {
  return hex(a < b ? keccak(fromHex(a), fromHex(b)) : keccak(fromHex(b), fromHex(a)));
}

/** packTerms of LineLib: amountNano 64 | receiptCount 32 | providerId 32 | isFinal 1, from the lowest bit. */
function lineOf(job: string, providerId: bigint, isFinal: boolean) {
  const usages = USAGES.filter((usage) => usage.job === job && usage.providerId === providerId);
  const amountNano = usages.reduce((sum, usage) => sum + usage.costNano, 0n);
  const terms =
    amountNano | (BigInt(usages.length) << 64n) | (providerId << 96n) | (isFinal ? 1n << 128n : 0n);
  return { jobId: jobIdOf(job), terms: hex(word(terms)), amountNano };
}

const ascending = (a: { jobId: string }, b: { jobId: string }): number => (a.jobId < b.jobId ? -1 : 1);

/** One real batch of three receipts over three lines, everything derived here without the contracts. */
export function batchVector() {
  const receipts = USAGES.map(receiptOf);
  const leaves = receipts.map((receipt) => hex(keccak(structHash(RECEIPT_TYPE, receipt))));
  const [first = "", second = "", third = ""] = leaves;
  const pair = hashPair(first, second);
  const proofs = [[second, third], [first, third], [pair]];

  const lines = [
    ...[lineOf("chat", 1n, false), lineOf("embed", 1n, true)].sort(ascending),
    lineOf("chat", 2n, true),
  ];
  const linesHash = keccak(
    word(32n),
    word(BigInt(lines.length)),
    ...lines.flatMap((line) => [fromHex(line.jobId), fromHex(line.terms)]),
  );
  const header = {
    laneId: 0n,
    keyEpoch: 1n,
    batchNumber: 1n,
    windowStart: OPENED_AT_SECONDS * 1000n,
    windowEnd: OPENED_AT_SECONDS * 1000n + 10_000n,
    receiptsRoot: hashPair(pair, third),
    receiptCount: BigInt(receipts.length),
    linesHash: hex(linesHash),
    totalNano: lines.reduce((sum, line) => sum + line.amountNano, 0n),
    previousBatchHash: hex(word(0n)),
    sourcesHash: keccakText("sources"),
  };
  const digest = keccak(fromHex("0x1901"), domainSeparator(), structHash(HEADER_TYPE, header));
  return {
    chainId: CHAIN_ID,
    verifyingContract: VERIFYING_CONTRACT,
    openedAtSeconds: OPENED_AT_SECONDS,
    tenant: TENANT,
    salts: { chat: saltOf("chat"), embed: saltOf("embed") },
    jobIds: { chat: jobIdOf("chat"), embed: jobIdOf("embed") },
    header,
    digest: hex(digest),
    lines: lines.map(({ jobId, terms }) => ({ jobId, terms })),
    receipts: receipts.map((receipt, i) => ({ ...receipt, leaf: leaves[i], proof: proofs[i] })),
  };
}
