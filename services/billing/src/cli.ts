#!/usr/bin/env -S node --import tsx
import { readFileSync } from "node:fs";
import { Wire } from "@tac/protocol";
import { Command, InvalidArgumentError } from "commander";
import type { Address } from "viem";
import { createChainReader } from "./chain/createChainReader.ts";
import { readDeployment } from "./readDeployment.ts";
import { renderVerification } from "./renderVerification.ts";
import { reasonOf } from "./verify/reasonOf.ts";
import { verifyInvoice } from "./verify/verifyInvoice.ts";

/** Exit codes: the invoice is valid, it is not, or it could not be checked at all. */
const EXIT = { valid: 0, notValid: 1, notChecked: 2 } as const;

type VerifyFlags = { rpcUrl: string; deployment: string; issuer?: Address; json?: boolean };

const program = new Command("billing")
  .description("Invoices of tokenised API credits.")
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT.notChecked));
program
  .command("verify")
  .description("Check an invoice against the chain alone. Exit code: 0 valid, 1 not valid, 2 not checked.")
  .argument("<file>", "the invoice (JSON), or - for standard input")
  .requiredOption("--rpc-url <url>", "JSON-RPC URL of a node you trust; several separated by commas")
  .requiredOption("--deployment <file>", "addresses.json of the deployment you trust")
  .option("--issuer <address>", "the address that must have issued the invoice", parseAddress)
  .option("--json", "print the outcome as JSON")
  .action(async (file: string, flags: VerifyFlags) => {
    const deployment = readDeployment(flags.deployment);
    const verification = await verifyInvoice(readInvoice(file), {
      reader: createChainReader({ rpcUrls: flags.rpcUrl.split(","), deployment }),
      deployment,
      expectedIssuer: flags.issuer ?? null,
    });
    process.stdout.write(
      flags.json ? `${JSON.stringify(verification, null, 2)}\n` : renderVerification(verification),
    );
    process.exitCode = verification.valid ? EXIT.valid : EXIT.notValid;
  });

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`The invoice was not checked: ${reasonOf(error)}\n`);
  process.exitCode = EXIT.notChecked;
}

/** A file that is not JSON is an invalid invoice, not a failure to check one. */
function readInvoice(file: string): unknown {
  const text = readFileSync(file === "-" ? process.stdin.fd : file, "utf8");
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function parseAddress(text: string): Address {
  const parsed = Wire.address.safeParse(text.toLowerCase());
  if (!parsed.success) throw new InvalidArgumentError("expected an address: 0x and 40 hexadecimal digits");
  return parsed.data;
}
