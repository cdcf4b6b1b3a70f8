import { Command } from "commander";
import pc from "picocolors";
import { downStack, readRunning } from "./stack/down.ts";
import { isHealthy } from "./stack/health.ts";
import { createLayout, defaultDir, serviceNames } from "./stack/layout.ts";
import { showProgress } from "./stack/progress.ts";
import { forget } from "./stack/reset.ts";
import { startStack } from "./stack/start.ts";
import { speaksTls, urlOf } from "./stack/urlOf.ts";

const portOffset = Number(process.env.PORT_OFFSET ?? "0");
if (!Number.isInteger(portOffset) || portOffset < 0 || portOffset > 50_000)
  throw new Error("PORT_OFFSET must be a whole number from 0 to 50000.");
const layout = createLayout(defaultDir, portOffset);

const up = async (): Promise<void> => {
  const stack = await startStack({ layout, fresh: false, progress: showProgress });
  for (const name of serviceNames)
    void stack
      .part(name)
      .exited.then((how) =>
        console.error(pc.red(`${name} ended: ${how}; see ${layout.logsDir}/${name}.log`)),
      );
  console.log(`\nGateway       ${pc.bold(urlOf(layout, "gateway"))}   (CA: ${stack.certificates.caFile})`);
  console.log(`Billing       ${urlOf(layout, "billing")}`);
  console.log(`Orchestrator  ${urlOf(layout, "orchestrator")}`);
  console.log(`Chain         ${stack.chain.rpcUrl}`);
  console.log(`Addresses     ${layout.deploymentFile}`);
  console.log(`Logs          ${layout.logsDir}`);
  console.log("\nStop with Ctrl-C; `make demo` uses this stack while it runs.");
};

const status = async (): Promise<void> => {
  const tls = {
    caFile: `${layout.configDir}/ca.pem`,
    certFile: `${layout.tlsDir}/operator/cert.pem`,
    keyFile: `${layout.tlsDir}/operator/key.pem`,
  };
  const healths = await Promise.all(
    serviceNames.map(async (name) => ({
      name,
      healthy: await isHealthy(`${urlOf(layout, name)}/healthz`, speaksTls(name) ? tls : undefined).catch(
        () => false,
      ),
    })),
  );
  for (const { name, healthy } of healths)
    console.log(`${healthy ? pc.green("●") : pc.red("○")} ${name.padEnd(16)} ${urlOf(layout, name)}`);
  process.exitCode = healths.every(({ healthy }) => healthy) ? 0 : 1;
};

const replaceAuthority = (): void => {
  const certificates = readRunning(layout)?.parts.find(({ name }) => name === "certificates");
  if (certificates === undefined) throw new Error("No stack is running here.");
  process.kill(certificates.pid, "SIGUSR2");
};

const program = new Command("stack").description("the local stack of tokenised-api-credits");
program.command("up").description("run in the foreground until Ctrl-C").action(up);
program
  .command("down")
  .description("stop the running stack")
  .action(() => downStack(layout));
program.command("status").description("say what is healthy").action(status);
program
  .command("replace-authority")
  .description("trust a new authority beside the present one, which it replaces half a minute later")
  .action(() => replaceAuthority());
program
  .command("reset")
  .description("stop, and forget chain, databases and keys")
  .action(async () => {
    await downStack(layout);
    forget(layout);
  });

await program.parseAsync().catch((error: Error) => {
  console.error(`\n${pc.red("The stack did not start.")} ${error.message}`);
  process.exitCode = 1;
});
