import type { Address, Hex } from "viem";
import { z } from "zod";
import * as BatchHeader from "./BatchHeader.ts";
import { lower } from "./internal/bytes.ts";
import { hashJson } from "./internal/canonicalJson.ts";
import { recoverDigest, signDigest } from "./internal/ecdsa.ts";
import { type Domain, defineStruct } from "./internal/eip712.ts";
import { LineStatus } from "./Line.ts";
import * as Pricing from "./Pricing.ts";
import * as Tariff from "./Tariff.ts";
import * as UsageReceipt from "./UsageReceipt.ts";
import * as Wire from "./Wire.ts";

/** One settled call, with everything needed to check it against the chain. */
export type InvoiceLine = {
  /** From 0, without gaps. */
  index: number;
  receipt: UsageReceipt.UsageReceipt;
  receiptSignature: Hex;
  model: string;
  tariffHash: Hex;
  tariffVersion: number;
  prices: Pricing.Prices;
  units: Pricing.Units;
  amountNano: bigint;
  batch: { laneId: number; batchNumber: bigint; batchHash: Hex; root: Hex };
  /** Merkle siblings from the leaf up. */
  proof: Hex[];
  settlement: { transactionHash: Hex; blockNumber: bigint; logIndex: number };
};

/** A batch the lines belong to, with the threshold signature and the shares it was made of. */
export type InvoiceBatch = {
  header: BatchHeader.BatchHeader;
  /** G1, 128 bytes. */
  signature: Hex;
  /** G2, 256 bytes. */
  publicKey: Hex;
  transactionHash: Hex;
  signers: { replica: number; publicShare: Hex; partialSignature: Hex }[];
};

/** What the chain did with one line of one batch. `paidNano` includes the fee. */
export type InvoiceSettlement = {
  providerId: number;
  laneId: number;
  batchNumber: bigint;
  paidNano: bigint;
  feeNano: bigint;
  releasedNano: bigint;
  status: LineStatus;
  transactionHash: Hex;
  logIndex: number;
};

/** What `release` of the vault gave back after expiry; null when a final line closed the job. */
export type InvoiceRelease = { transactionHash: Hex; blockNumber: bigint; releasedNano: bigint };

/** The tenant's country (ISO 3166-1 alpha-2) and its rate; the tax is on what was paid, rounded half up once. */
export type InvoiceTax = { country: string | null; basisPoints: number };

/** `subtotalNano` is the sum of the lines, `paidNano` what the chain paid, `totalNano` paid plus tax. */
export type InvoiceTotals = {
  subtotalNano: bigint;
  taxNano: bigint;
  totalNano: bigint;
  paidNano: bigint;
  feeNano: bigint;
  releasedNano: bigint;
  lockedNano: bigint;
};

/** The bill for one job, before it is signed. */
export type UnsignedInvoice = {
  invoiceId: Hex;
  version: 1;
  chainId: number;
  deployment: {
    usageReceipts: Address;
    settlementTreasury: Address;
    creditVault: Address;
    capabilityAuthority: Address;
  };
  tenant: Address;
  jobId: Hex;
  capabilityHash: Hex;
  quoteHash: Hex;
  lock: { transactionHash: Hex; blockNumber: bigint; maxSpendNano: bigint };
  lines: InvoiceLine[];
  batches: InvoiceBatch[];
  settlements: InvoiceSettlement[];
  release: InvoiceRelease | null;
  tax: InvoiceTax;
  totals: InvoiceTotals;
  tariffs: Tariff.Tariff[];
  issuedAtMs: bigint;
  issuer: Address;
};

export type Invoice = UnsignedInvoice & { signature: Hex };

/** EIP-712; the verifying contract is UsageReceipts. */
export const DOMAIN_NAME = "Invoice";

type Signed = {
  invoiceId: Hex;
  tenant: Address;
  jobId: Hex;
  contentHash: Hex;
  totalNano: bigint;
  issuedAtMs: bigint;
};

const struct = defineStruct<Signed>("Invoice", DOMAIN_NAME, {
  invoiceId: "bytes32",
  tenant: "address",
  jobId: "bytes32",
  contentHash: "bytes32",
  totalNano: "uint64",
  issuedAtMs: "uint64",
});

/** keccak256 of the RFC 8785 JSON of the invoice without `signature`. */
export function contentHash(invoice: UnsignedInvoice): Hex {
  return hashJson(unsignedToJson(invoice));
}

/** EIP-712 digest that the issuer signs. */
export function hash(invoice: UnsignedInvoice, domain: Domain): Hex {
  return struct.digest(signedPart(invoice), domain);
}

export function typedData(invoice: UnsignedInvoice, domain: Domain) {
  return struct.typedData(signedPart(invoice), domain);
}

export function sign(invoice: UnsignedInvoice, domain: Domain, issuerPrivateKey: Hex): Invoice {
  return { ...invoice, signature: signDigest(hash(invoice, domain), issuerPrivateKey) };
}

/** Lowercase address of the signer, or null for a malformed or malleable signature. */
export function recover(invoice: Invoice, domain: Domain): Address | null {
  return recoverDigest(hash(invoice, domain), invoice.signature);
}

function signedPart(invoice: UnsignedInvoice): Signed {
  return {
    invoiceId: invoice.invoiceId,
    tenant: invoice.tenant,
    jobId: invoice.jobId,
    contentHash: contentHash(invoice),
    totalNano: invoice.totals.totalNano,
    issuedAtMs: invoice.issuedAtMs,
  };
}

/** An invoice is checked by whoever receives it, so what one file may ask of a verifier is bounded. */
export const MAX_LINES = 50_000;
export const MAX_BATCHES = 4_096;
export const MAX_TARIFFS = 1_024;
export const MAX_SIGNERS = 64;

/** A job has one invoice, whose id follows from the chain, the deployment and the job. */
export function idOf(jobId: Hex, { chainId, verifyingContract }: Domain): Hex {
  return hashJson({ chainId, verifyingContract: lower(verifyingContract), jobId: lower(jobId) });
}

const lineSchema: z.ZodType<InvoiceLine> = z.strictObject({
  index: Wire.uint32,
  receipt: UsageReceipt.schema,
  receiptSignature: Wire.signature,
  model: Wire.modelName,
  tariffHash: Wire.bytes32,
  tariffVersion: Wire.uint32,
  prices: Pricing.pricesSchema,
  units: Pricing.unitsSchema,
  amountNano: Wire.uint64,
  batch: z.strictObject({
    laneId: Wire.uint32,
    batchNumber: Wire.uint64,
    batchHash: Wire.bytes32,
    root: Wire.bytes32,
  }),
  proof: z.array(Wire.bytes32).max(64),
  settlement: z.strictObject({
    transactionHash: Wire.bytes32,
    blockNumber: Wire.uint64,
    logIndex: Wire.uint32,
  }),
});

const batchSchema: z.ZodType<InvoiceBatch> = z.strictObject({
  header: BatchHeader.schema,
  signature: Wire.hex(128),
  publicKey: Wire.hex(256),
  transactionHash: Wire.bytes32,
  signers: z
    .array(
      z.strictObject({
        replica: Wire.uint32,
        publicShare: Wire.hex(256),
        partialSignature: Wire.hex(128),
      }),
    )
    .max(MAX_SIGNERS),
});

const settlementSchema: z.ZodType<InvoiceSettlement> = z.strictObject({
  providerId: Wire.providerId,
  laneId: Wire.uint32,
  batchNumber: Wire.uint64,
  paidNano: Wire.uint64,
  feeNano: Wire.uint64,
  releasedNano: Wire.uint64,
  status: z.enum(LineStatus),
  transactionHash: Wire.bytes32,
  logIndex: Wire.uint32,
});

const releaseSchema: z.ZodType<InvoiceRelease> = z.strictObject({
  transactionHash: Wire.bytes32,
  blockNumber: Wire.uint64,
  releasedNano: Wire.uint64,
});

const taxSchema: z.ZodType<InvoiceTax> = z.strictObject({
  country: z
    .string()
    .regex(/^[A-Z]{2}$/, "expected an ISO 3166-1 alpha-2 country")
    .nullable(),
  basisPoints: z.int().min(0).max(10_000),
});

const totalsSchema: z.ZodType<InvoiceTotals> = z.strictObject({
  subtotalNano: Wire.uint64,
  taxNano: Wire.uint64,
  totalNano: Wire.uint64,
  paidNano: Wire.uint64,
  feeNano: Wire.uint64,
  releasedNano: Wire.uint64,
  lockedNano: Wire.uint64,
});

/** Checks the form; whether the content is true is for the verifier of billing to say. */
export const schema: z.ZodType<Invoice> = z.strictObject({
  invoiceId: Wire.bytes32,
  version: z.literal(1),
  chainId: z.int().min(1),
  deployment: z.strictObject({
    usageReceipts: Wire.address,
    settlementTreasury: Wire.address,
    creditVault: Wire.address,
    capabilityAuthority: Wire.address,
  }),
  tenant: Wire.address,
  jobId: Wire.bytes32,
  capabilityHash: Wire.bytes32,
  quoteHash: Wire.bytes32,
  lock: z.strictObject({
    transactionHash: Wire.bytes32,
    blockNumber: Wire.uint64,
    maxSpendNano: Wire.uint64,
  }),
  lines: z.array(lineSchema).max(MAX_LINES),
  batches: z.array(batchSchema).max(MAX_BATCHES),
  settlements: z.array(settlementSchema).max(MAX_LINES),
  release: releaseSchema.nullable(),
  tax: taxSchema,
  totals: totalsSchema,
  tariffs: z.array(Tariff.schema).max(MAX_TARIFFS),
  issuedAtMs: Wire.uint64,
  issuer: Wire.address,
  signature: Wire.signature,
});

export function toJson(invoice: Invoice) {
  return { ...unsignedToJson(invoice), signature: lower(invoice.signature) };
}

export function unsignedToJson(invoice: UnsignedInvoice) {
  const { deployment, lock } = invoice;
  return {
    invoiceId: lower(invoice.invoiceId),
    version: invoice.version,
    chainId: invoice.chainId,
    deployment: {
      usageReceipts: lower(deployment.usageReceipts),
      settlementTreasury: lower(deployment.settlementTreasury),
      creditVault: lower(deployment.creditVault),
      capabilityAuthority: lower(deployment.capabilityAuthority),
    },
    tenant: lower(invoice.tenant),
    jobId: lower(invoice.jobId),
    capabilityHash: lower(invoice.capabilityHash),
    quoteHash: lower(invoice.quoteHash),
    lock: {
      transactionHash: lower(lock.transactionHash),
      blockNumber: lock.blockNumber.toString(),
      maxSpendNano: lock.maxSpendNano.toString(),
    },
    lines: invoice.lines.map(lineToJson),
    batches: invoice.batches.map(batchToJson),
    settlements: invoice.settlements.map(settlementToJson),
    release: invoice.release === null ? null : releaseToJson(invoice.release),
    tax: { country: invoice.tax.country, basisPoints: invoice.tax.basisPoints },
    totals: totalsToJson(invoice.totals),
    tariffs: invoice.tariffs.map(Tariff.toJson),
    issuedAtMs: invoice.issuedAtMs.toString(),
    issuer: lower(invoice.issuer),
  };
}

function lineToJson(line: InvoiceLine) {
  return {
    index: line.index,
    receipt: UsageReceipt.toJson(line.receipt),
    receiptSignature: lower(line.receiptSignature),
    model: line.model,
    tariffHash: lower(line.tariffHash),
    tariffVersion: line.tariffVersion,
    prices: Pricing.pricesToJson(line.prices),
    units: Pricing.unitsToJson(line.units),
    amountNano: line.amountNano.toString(),
    batch: {
      laneId: line.batch.laneId,
      batchNumber: line.batch.batchNumber.toString(),
      batchHash: lower(line.batch.batchHash),
      root: lower(line.batch.root),
    },
    proof: line.proof.map(lower),
    settlement: {
      transactionHash: lower(line.settlement.transactionHash),
      blockNumber: line.settlement.blockNumber.toString(),
      logIndex: line.settlement.logIndex,
    },
  };
}

function batchToJson(batch: InvoiceBatch) {
  return {
    header: BatchHeader.toJson(batch.header),
    signature: lower(batch.signature),
    publicKey: lower(batch.publicKey),
    transactionHash: lower(batch.transactionHash),
    signers: batch.signers.map((signer) => ({
      replica: signer.replica,
      publicShare: lower(signer.publicShare),
      partialSignature: lower(signer.partialSignature),
    })),
  };
}

function settlementToJson(settlement: InvoiceSettlement) {
  return {
    providerId: settlement.providerId,
    laneId: settlement.laneId,
    batchNumber: settlement.batchNumber.toString(),
    paidNano: settlement.paidNano.toString(),
    feeNano: settlement.feeNano.toString(),
    releasedNano: settlement.releasedNano.toString(),
    status: settlement.status,
    transactionHash: lower(settlement.transactionHash),
    logIndex: settlement.logIndex,
  };
}

function releaseToJson(release: InvoiceRelease) {
  return {
    transactionHash: lower(release.transactionHash),
    blockNumber: release.blockNumber.toString(),
    releasedNano: release.releasedNano.toString(),
  };
}

function totalsToJson(totals: InvoiceTotals) {
  return {
    subtotalNano: totals.subtotalNano.toString(),
    taxNano: totals.taxNano.toString(),
    totalNano: totals.totalNano.toString(),
    paidNano: totals.paidNano.toString(),
    feeNano: totals.feeNano.toString(),
    releasedNano: totals.releasedNano.toString(),
    lockedNano: totals.lockedNano.toString(),
  };
}
