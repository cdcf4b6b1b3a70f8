import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Invoice } from "@tac/protocol";
import { beforeAll, describe, expect, test } from "vitest";
import { awaitInvoice } from "../demo/awaitInvoice.ts";
import { repositoryDir } from "../stack/layout.ts";
import { openTenant, runPlan, type StackOf } from "./support.ts";

type InvoiceJson = ReturnType<typeof Invoice.toJson>;

export const invoicesAreTampered = (stackOf: StackOf): void => {
  describe("`verify` on an invoice file", () => {
    let honest: InvoiceJson;

    beforeAll(async () => {
      const { credits } = await openTenant(stackOf());
      const { job } = await runPlan(credits);
      await credits.close(job);
      await credits.settlement(job);
      honest = Invoice.toJson(await awaitInvoice(credits, job));
      await credits.shutdown();
    });

    const verify = (invoice: unknown): Promise<{ exitCode: number; output: string }> => {
      const { layout, chain, keys } = stackOf();
      const file = join(layout.dir, "invoice.json");
      writeFileSync(file, JSON.stringify(invoice));
      const args = ["--import", "tsx", "src/cli.ts", "verify", file, "--rpc-url", chain.rpcUrl];
      args.push("--deployment", layout.deploymentFile, "--issuer", keys.billing.account.address);
      return new Promise((resolve) => {
        execFile(
          process.execPath,
          args,
          { cwd: join(repositoryDir, "services", "billing") },
          (error, stdout, stderr) =>
            resolve({ exitCode: error === null ? 0 : Number(error.code), output: stdout + stderr }),
        );
      });
    };
    /** A copy of the honest invoice with one thing changed in its second line. */
    const tampered = (
      change: (line: InvoiceJson["lines"][number], invoice: InvoiceJson) => void,
    ): InvoiceJson => {
      const copy = structuredClone(honest);
      const line = copy.lines[1];
      if (line === undefined) throw new Error("The invoice has no second line.");
      change(line, copy);
      return copy;
    };
    const flip = <T extends string>(hex: T): T => `${hex.slice(0, -1)}${hex.endsWith("0") ? "1" : "0"}` as T;

    test("the honest file is valid", async () => {
      const { exitCode, output } = await verify(honest);
      expect(output).toMatch(/valid/i);
      expect(exitCode).toBe(0);
    });
    test.each([
      [
        "amount",
        "amount_mismatch",
        (line: InvoiceJson["lines"][number]) => {
          line.amountNano = `${BigInt(line.amountNano) + 1n}`;
        },
      ],
      [
        "proof",
        "receipt_not_in_batch",
        (line: InvoiceJson["lines"][number]) => {
          line.proof = line.proof.length === 0 ? [line.tariffHash] : line.proof.map(flip);
        },
      ],
      [
        "tariff hash",
        "unknown_tariff",
        (line: InvoiceJson["lines"][number]) => {
          line.tariffHash = flip(line.tariffHash);
        },
      ],
      [
        "gateway's signature",
        "invalid_gateway_signature",
        (line: InvoiceJson["lines"][number]) => {
          line.receiptSignature = `0x${"11".repeat(64)}1b`;
        },
      ],
    ] as const)("a changed %s is named with its line", async (_what, code, change) => {
      const { exitCode, output } = await verify(tampered(change));
      expect(output).toContain(code);
      expect(output).toMatch(/\b2\b|lines\[1\]/);
      expect(exitCode).toBe(1);
    });
    test("a changed invoice signature is named", async () => {
      const { exitCode, output } = await verify({ ...honest, signature: `0x${"22".repeat(64)}1c` });
      expect(output).toContain("invalid_invoice_signature");
      expect(exitCode).toBe(1);
    });
  });
};
