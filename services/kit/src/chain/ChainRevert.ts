import { Errors, type ProtocolError } from "@tac/protocol";
import { type Abi, BaseError, ContractFunctionRevertedError, decodeErrorResult, type Hex, isHex } from "viem";

/** A contract refused a call. `errorName` and `args` are those of its custom error when a given ABI knows it. */
export class ChainRevert extends Error {
  override readonly name = "ChainRevert";
  readonly errorName: string;
  readonly args: readonly unknown[];
  readonly raw: Hex | undefined;
  readonly transactionHash: Hex | undefined;

  constructor(
    errorName: string,
    args: readonly unknown[] = [],
    {
      raw,
      transactionHash,
      cause,
    }: { raw?: Hex | undefined; transactionHash?: Hex | undefined; cause?: unknown } = {},
  ) {
    super(`${errorName}(${args.map(String).join(", ")})`, cause === undefined ? undefined : { cause });
    this.errorName = errorName;
    this.args = args;
    this.raw = raw;
    this.transactionHash = transactionHash;
  }
}

/** Revert data as nodes report it: anywhere in the chain of causes, as `raw` or as `data`. */
const revertData = (error: BaseError): Hex | undefined => {
  let found: Hex | undefined;
  error.walk((cause) => {
    if (cause instanceof ContractFunctionRevertedError && cause.raw !== undefined) found = cause.raw;
    else if (cause instanceof Error && "data" in cause && isHex(cause.data)) found = cause.data;
    return found !== undefined;
  });
  return found;
};

const isRevert = (error: BaseError): boolean =>
  error.walk(
    (cause) =>
      cause instanceof ContractFunctionRevertedError ||
      (cause instanceof Error && ["ExecutionRevertedError", "RawContractError"].includes(cause.name)),
  ) !== null;

/**
 * A viem error as {@link ChainRevert} when a contract refused, else as ProtocolError `chain_unavailable`.
 * `abi` is that of every contract whose errors may come up, not only of the one called.
 */
export const decodeChainError = (
  error: unknown,
  abi: Abi,
  transactionHash?: Hex,
): ChainRevert | ProtocolError => {
  if (error instanceof ChainRevert || error instanceof Errors.ProtocolError) return error;
  if (error instanceof BaseError) {
    const raw = revertData(error);
    const context = { raw, transactionHash, cause: error };
    if (raw !== undefined && raw !== "0x") {
      const decoded = decode(abi, raw);
      return decoded === undefined
        ? new ChainRevert(`unknown error ${raw.slice(0, 10)}`, [], context)
        : new ChainRevert(decoded.errorName, decoded.args ?? [], context);
    }
    if (isRevert(error)) return new ChainRevert("reverted without a reason", [], context);
  }
  return Errors.fromCode("chain_unavailable", { cause: error });
};

const decode = (
  abi: Abi,
  raw: Hex,
): { errorName: string; args?: readonly unknown[] | undefined } | undefined => {
  try {
    return decodeErrorResult({ abi, data: raw });
  } catch {
    // An error that no given ABI declares is reported by its selector.
    return undefined;
  }
};
