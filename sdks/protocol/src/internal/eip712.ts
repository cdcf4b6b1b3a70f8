import type { Address, Hex } from "viem";
import { fromHex, lower, toHex } from "./bytes.ts";
import { keccak } from "./keccak.ts";

/** What a domain needs beyond the name and version that each noun fixes itself. */
export type Domain = { readonly chainId: number; readonly verifyingContract: Address };

type SolidityType<Value> = Value extends boolean
  ? "bool"
  : Value extends number
    ? "uint8" | "uint32"
    : Value extends bigint
      ? "uint64" | "uint128" | "uint256"
      : "address" | "bytes32";

type FieldTypes<Noun> = { readonly [Field in keyof Noun]-?: SolidityType<Noun[Field]> };

export type TypedData<Noun> = {
  domain: { name: string; version: string; chainId: number; verifyingContract: Address };
  types: Record<string, { name: string; type: string }[]>;
  primaryType: string;
  message: Noun;
};

export type TypedStruct<Noun> = {
  readonly typeHash: Hex;
  /** `hashStruct` of EIP-712. */
  structHash(value: Noun): Uint8Array;
  /** The digest that is signed. */
  digest(value: Noun, domain: Domain): Hex;
  /** `digest` of the value that has this `hashStruct`. */
  digestOf(structHash: Uint8Array, domain: Domain): Hex;
  /** For `signTypedData` of viem and ethers. */
  typedData(value: Noun, domain: Domain): TypedData<Noun>;
};

/**
 * An EIP-712 struct of static members only. Its layout is fixed when it is defined, which makes a digest an
 * order of magnitude cheaper than a generic encoder; the tests hold it equal to viem's `hashTypedData`.
 */
export function defineStruct<Noun extends object>(
  name: string,
  domainName: string,
  fieldTypes: FieldTypes<Noun>,
): TypedStruct<Noun> {
  const fields = Object.entries<string>(fieldTypes).map(([field, type]) => ({ name: field, type }));
  const members = fields.map((field) => `${field.type} ${field.name}`).join(",");
  const typeHash = keccak(Buffer.from(`${name}(${members})`));
  const layout = Buffer.alloc(32 * (fields.length + 1));
  layout.set(typeHash, 0);
  const names = Object.keys(fieldTypes) as (keyof Noun)[];
  const writers = fields.map((field, index) => wordWriter(layout, 32 * (index + 1), field));

  function structHash(value: Noun): Uint8Array {
    for (let index = 0; index < names.length; index++) {
      writers[index]?.(value[names[index] as keyof Noun]);
    }
    return keccak(layout);
  }

  function digestOf(hash: Uint8Array, domain: Domain): Hex {
    const message = new Uint8Array(66);
    message.set(PREFIX);
    message.set(domainSeparator(domainName, domain), 2);
    message.set(hash, 34);
    return toHex(keccak(message));
  }

  return {
    typeHash: toHex(typeHash),
    structHash,
    digest: (value, domain) => digestOf(structHash(value), domain),
    digestOf,
    typedData: (value, domain) => ({
      domain: {
        name: domainName,
        version: "1",
        chainId: domain.chainId,
        verifyingContract: lower(domain.verifyingContract),
      },
      types: { [name]: fields.map((field) => ({ ...field })) },
      primaryType: name,
      message: value,
    }),
  };
}

type WordWriter = (value: unknown) => void;

/** Writes one member into its word of the layout; a value that does not fit is an error, never cut. */
function wordWriter(layout: Buffer, offset: number, field: { name: string; type: string }): WordWriter {
  const unfit = () => new TypeError(`${field.name} is not a ${field.type}.`);
  if (field.type === "address" || field.type === "bytes32") {
    const length = field.type === "address" ? 20 : 32;
    const start = offset + 32 - length;
    return (value) => {
      if (typeof value !== "string" || value.length !== 2 + 2 * length || !value.startsWith("0x"))
        throw unfit();
      // Node stops at the first character that is not hex, so a short count means malformed digits.
      if (layout.write(value.substring(2), start, length, "hex") !== length) throw unfit();
    };
  }
  if (field.type === "bool") {
    return (value) => {
      if (typeof value !== "boolean") throw unfit();
      layout[offset + 31] = value ? 1 : 0;
    };
  }
  const bits = Number(field.type.slice(4));
  const limit = 1n << BigInt(bits);
  const word = new DataView(layout.buffer, layout.byteOffset + offset, 32);
  return (value) => {
    if (typeof value !== "bigint" && typeof value !== "number") throw unfit();
    if (value < 0 || value >= limit) throw new RangeError(`${field.name} is not a ${field.type}.`);
    // The upper bytes of a word that holds a small type are never written, so they stay zero.
    if (bits > 64) {
      const upper = BigInt(value) >> 64n;
      word.setBigUint64(0, upper >> 128n);
      word.setBigUint64(8, (upper >> 64n) & MASK_64);
      word.setBigUint64(16, upper & MASK_64);
    }
    word.setBigUint64(24, BigInt(value) & MASK_64);
  };
}

const PREFIX = Uint8Array.of(0x19, 0x01);
const MASK_64 = 0xffff_ffff_ffff_ffffn;

const DOMAIN_TYPE_HASH = keccak(
  Buffer.from("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
);
const VERSION_HASH = keccak(Buffer.from("1"));
const separators = new Map<string, Uint8Array>();

/** `hashStruct` of the domain, cached. */
export function domainSeparator(name: string, domain: Domain): Uint8Array {
  const key = `${name} ${domain.chainId} ${domain.verifyingContract}`;
  const known = separators.get(key);
  if (known) return known;
  const layout = new Uint8Array(160);
  layout.set(DOMAIN_TYPE_HASH, 0);
  layout.set(keccak(Buffer.from(name)), 32);
  layout.set(VERSION_HASH, 64);
  new DataView(layout.buffer).setBigUint64(120, BigInt(domain.chainId));
  layout.set(fromHex(domain.verifyingContract, 20), 140);
  const separator = keccak(layout);
  // A process talks to a handful of deployments; the bound only stops a mistake from growing without end.
  if (separators.size >= 256) separators.clear();
  separators.set(key, separator);
  return separator;
}
