import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createChainReader, renderInvoice, verifyInvoice } from "@tac/billing";
import { Invoice, Nano } from "@tac/protocol";
import { type Client, createClient, type Job } from "@tac/sdk";
import pc from "picocolors";
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { fundGas } from "../stack/chain.ts";
import { providerIds, repositoryDir } from "../stack/layout.ts";
import { showProgress as progress, seconds } from "../stack/progress.ts";
import { fundTenant } from "../stack/seed.ts";
import { urlOf } from "../stack/urlOf.ts";
import { awaitInvoice } from "./awaitInvoice.ts";
import { type Balances, readBalances, sumEvents } from "./ledgers.ts";
import { type OpenStack, openStack } from "./openStack.ts";
import { payProvider } from "./payProvider.ts";
import { inputs, plan } from "./plan.ts";
import { reconcile } from "./reconcile.ts";

const depositAssets = 25_000_000n;

const heading = (text: string): void => console.log(`\n${pc.bold(text)}`);
const row = (label: string, value: string): void => console.log(`  ${label.padEnd(30)}${value}`);

const showBalances = (title: string, balances: Balances): void => {
  heading(`${title} (block ${balances.blockNumber}, credits)`);
  row("tenant, free", Nano.format(balances.tenantFreeNano));
  row("locked for the job", Nano.format(balances.lockedNano));
  row("payable to providers", Nano.format(balances.providersPayableNano));
  row("protocol fees", Nano.format(balances.feesPayableNano));
};

/** Runs both steps and shows the answer as it is streamed; returns what the calls cost together. */
const runSteps = async (credits: Client, job: Job): Promise<bigint> => {
  let totalNano = 0n;
  for await (const event of credits.run(job, inputs)) {
    if (event.type === "step-start")
      heading(`Step ${event.stepId}: ${event.step.model}, provider ${event.step.providerId}`);
    if (event.type === "delta") process.stdout.write(pc.dim(event.text));
    if (event.type === "call-end") {
      if (event.result.kind === "chat") process.stdout.write("\n");
      if (event.result.kind === "embeddings")
        row("vector", `${event.result.embeddings[0]?.length ?? 0} dimensions`);
      row("cost", Nano.format(event.costNano));
      row("receipt", event.receiptId);
    }
    if (event.type === "done") totalNano = event.costNano;
  }
  return totalNano;
};

const settle = async (credits: Client, job: Job): Promise<Invoice.Invoice> => {
  const closed = await credits.close(job);
  const startedAt = Date.now();
  const status = await progress("settlement on chain, signed by three of four aggregators", () =>
    credits.settlement(job),
  );
  for (const { batchNumber, transactionHash, blockNumber } of status.settlements)
    row(`batch ${batchNumber}, block ${blockNumber}`, transactionHash);
  row("closed to settled", seconds(Date.now() - Math.min(startedAt, Number(closed.closedAtMs))));
  return progress("invoice", () => awaitInvoice(credits, job));
};

/** Everything is checked again from the chain; returns what does not match. */
const checkAll = async (
  stack: OpenStack,
  job: Job,
  invoice: Invoice.Invoice,
  before: Balances,
): Promise<string[]> => {
  const { client, deployment, rpcUrl } = stack;
  const reader = createChainReader({ rpcUrls: [rpcUrl], deployment });
  const verification = await verifyInvoice(Invoice.toJson(invoice), { reader, deployment });
  const failures = verification.problems.map(
    ({ line, code, message }) => `invoice${line === null ? "" : ` line ${line + 1}`}: ${code}: ${message}`,
  );
  const after = await readBalances(client, deployment, job.tenant, job.jobId);
  showBalances("After", after);
  const events = await sumEvents(client, deployment, job.jobId, after.blockNumber);
  heading("Checked to the nanocredit");
  row("invoice against the chain", verification.valid ? pc.green("valid") : pc.red("not valid"));
  for (const { what, leftNano, rightNano, equal } of reconcile({
    invoice,
    before,
    after,
    events,
    maxSpendNano: job.capability.maxSpendNano,
  })) {
    console.log(`  ${equal ? pc.green("=") : pc.red("≠")} ${what.padEnd(76)} ${Nano.format(leftNano)}`);
    if (!equal) failures.push(`${what}: ${Nano.format(leftNano)} is not ${Nano.format(rightNano)}`);
  }
  return failures;
};

/** Anyone may trigger a payout; here the tenant does, and the dollars go to the address in the registry. */
const payProviders = async ({ client, deployment }: OpenStack, sender: PrivateKeyAccount): Promise<void> => {
  heading("Providers are paid out, in dollars");
  for (const providerId of providerIds) {
    const paid = await payProvider(client, deployment, sender, providerId);
    row(
      `provider ${providerId}`,
      paid === null
        ? "less than one unit of the asset is due; it stays payable"
        : `${Nano.format(paid.amountNano)}   tx ${paid.transactionHash}`,
    );
  }
};

const fund = async ({ client, deployment }: OpenStack): Promise<PrivateKeyAccount> => {
  const tenant = privateKeyToAccount(generatePrivateKey());
  await fundGas(client, [tenant.address]);
  await fundTenant(client, deployment, tenant, depositAssets);
  return tenant;
};

const saveInvoice = (stack: OpenStack, invoice: Invoice.Invoice): string => {
  const dir = join(repositoryDir, ".local", "invoices");
  const file = join(dir, `${invoice.jobId}.json`);
  mkdirSync(dir, { recursive: true });
  writeFileSync(file, `${JSON.stringify(Invoice.toJson(invoice), null, 2)}\n`);
  row("invoice file", file);
  row("logs", stack.layout.logsDir);
  return file;
};

const demo = async (stack: OpenStack): Promise<string[]> => {
  const { client, deployment, layout, ca } = stack;
  const tenant = await progress("a tenant deposits 25 dollars", () => fund(stack));
  const credits = createClient({
    gatewayUrl: urlOf(layout, "gateway"),
    billingUrl: urlOf(layout, "billing"),
    deployment,
    tenant,
    ca,
  });
  try {
    const before = await readBalances(client, deployment, tenant.address, null);
    showBalances("Before", before);
    const quoted = await credits.quote(plan);
    heading("Quote");
    for (const step of quoted.signedQuote.steps)
      row(`${step.id} (${step.model})`, `at most ${Nano.format(step.ceilingNano)}`);
    row("signed by", quoted.signedQuote.signer);
    const job = await progress("lock: one EIP-712 signature, no gas", () => credits.lock(quoted));
    row("locked", Nano.format(job.capability.maxSpendNano));
    row("transaction", job.lock?.transactionHash ?? "");
    const costNano = await runSteps(credits, job);
    heading("Settlement");
    const invoice = await settle(credits, job);
    console.log(`\n${renderInvoice(invoice)}`);
    saveInvoice(stack, invoice);
    await payProviders(stack, tenant);
    const failures = await checkAll(stack, job, invoice, before);
    if (invoice.totals.subtotalNano !== costNano)
      failures.push(
        `the invoice is over ${Nano.format(invoice.totals.subtotalNano)}, the calls cost ${Nano.format(costNano)}`,
      );
    return failures;
  } finally {
    await credits.shutdown();
  }
};

const startedAt = Date.now();
let stack: OpenStack | undefined;
try {
  stack = await openStack(progress, Number(process.env.PORT_OFFSET ?? "0"));
  const failures = await demo(stack);
  for (const failure of failures) console.error(pc.red(`✗ ${failure}`));
  console.log(
    failures.length === 0
      ? pc.green(pc.bold(`\nEverything matches. ${seconds(Date.now() - startedAt)} in all.`))
      : pc.red("\nThe demo found a mismatch."),
  );
  process.exitCode = failures.length === 0 ? 0 : 1;
} catch (error) {
  console.error(`\n${pc.red("The demo failed.")} ${error instanceof Error ? error.message : String(error)}`);
  if (stack !== undefined) console.error(`Logs: ${stack.layout.logsDir}`);
  process.exitCode = 1;
} finally {
  await stack?.close();
}
