import type { Line } from "@tac/protocol";
import { SubmitRefused } from "../chain/ChainPort.ts";
import type { Signed } from "../protocol/Certificate.ts";
import type { SubmitOutcome } from "../protocol/State.ts";
import { contentOf } from "../store/content.ts";
import type { Checker } from "./Checker.ts";
import type { Context } from "./Context.ts";

/** The contract may accept the same batch later, or already has. */
const PASSING_REFUSALS = new Set(["UsageReceipts_WindowInFuture", "UsageReceipts_Paused"]);

/** Sends signed batches to the chain. Any replica may, and a batch that is in already costs no transaction. */
export class Submitter {
  readonly #context: Context;
  readonly #checker: Checker;

  constructor(context: Context, checker: Checker) {
    this.#context = context;
    this.#checker = checker;
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

  async #send(signed: Signed): Promise<SubmitOutcome> {
    const { chain, key, logger } = this.#context;
    const { batchHash, signature } = signed;
    const { header } = signed.draft;
    const { batchNumber } = header;
    const lines = await this.#lines(signed);
    if (lines === null) {
      logger.info({ batchNumber, batchHash }, "another replica must submit what we cannot recompute");
      return "unavailable";
    }
    const publicKey = key.groupPublicKey;
    const transactionHash = await chain.submit({ header, lines, signature, publicKey });
    logger.info({ batchNumber, batchHash, transactionHash }, "batch submitted");
    return "sent";
  }

  /** As we recomputed them; or of the batch we applied, when the chain lost it; or recomputed now, when the others signed it without us. */
  async #lines({ draft, batchHash }: Signed): Promise<Line.Line[] | null> {
    const { votes, batches } = this.#context;
    const { batchNumber } = draft.header;
    const own = await votes.draft(batchNumber, batchHash);
    if (own !== null) return own.content.lines;
    const applied = await batches.batch(batchNumber);
    if (applied?.batchHash === batchHash) return applied.lines;
    const { plan } = await this.#checker.check(draft, batchHash);
    return plan === null ? null : contentOf(plan).lines;
  }
}
