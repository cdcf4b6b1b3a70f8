import type { Line } from "@tac/protocol";
import { SubmitRefused } from "../chain/ChainPort.ts";
import type { Signed } from "../protocol/Certificate.ts";
import type { SubmitOutcome } from "../protocol/State.ts";
import type { Context } from "./Context.ts";

/** The contract may accept the same batch later, or already has. */
const PASSING_REFUSALS = new Set(["UsageReceipts_WindowInFuture", "UsageReceipts_Paused"]);

/** Sends signed batches to the chain. Any replica may, and a batch that is in already costs no transaction. */
export class Submitter {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  async submit(signed: Signed): Promise<SubmitOutcome> {
    const { logger, metrics } = this.#context;
    const { batchHash, draft } = signed;
    const { batchNumber } = draft.header;
    const outcome = await this.#send(signed).catch((error: unknown): SubmitOutcome => {
      if (!(error instanceof SubmitRefused)) {
        logger.error({ err: error, batchNumber }, "batch could not be submitted and is kept");
        return "unavailable";
      }
      if (error.reason === "UsageReceipts_WrongBatchNumber") return "duplicate";
      const isPassing = PASSING_REFUSALS.has(error.reason);
      logger[isPassing ? "info" : "error"](
        { err: error, batchNumber, batchHash },
        "the contract refused a batch",
      );
      return "refused";
    });
    metrics.submissions.inc({ outcome });
    return outcome;
  }

  async #send({ draft, batchHash, signature }: Signed): Promise<SubmitOutcome> {
    const { chain, key, logger } = this.#context;
    const { header } = draft;
    const { batchNumber } = header;
    const lines = await this.#lines(batchNumber, batchHash);
    if (lines === null) {
      logger.info({ batchNumber, batchHash }, "another replica must submit what we did not recompute");
      return "unavailable";
    }
    const publicKey = key.groupPublicKey;
    const transactionHash = await chain.submit({ header, lines, signature, publicKey });
    logger.info({ batchNumber, batchHash, transactionHash }, "batch submitted");
    return "sent";
  }

  /** From what we recomputed, or, when the chain lost a batch it had, from the batch we applied. */
  async #lines(batchNumber: bigint, batchHash: Signed["batchHash"]): Promise<Line.Line[] | null> {
    const own = await this.#context.votes.draft(batchNumber, batchHash);
    if (own !== null) return own.content.lines;
    const applied = await this.#context.batches.batch(batchNumber);
    return applied?.batchHash === batchHash ? applied.lines : null;
  }
}
