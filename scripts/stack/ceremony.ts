import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Certificates } from "./certificates.ts";
import type { GroupKey } from "./deploy.ts";
import { type Layout, repositoryDir } from "./layout.ts";

const run = promisify(execFile);

/** Runs the dealerless key generation among the replicas, with the operator's own command, unless a group key exists. */
export const runCeremony = async (
  layout: Layout,
  aggregatorsFile: string,
  { caFile, of }: Certificates,
): Promise<GroupKey> => {
  const { certFile, keyFile } = of("operator");
  const groupKeyFile = join(layout.configDir, "group-key.json");
  if (!existsSync(groupKeyFile))
    await run(
      process.execPath,
      ["--import", "tsx", "src/cli.ts", "dkg", "--aggregators-file", aggregatorsFile, "--out", groupKeyFile],
      {
        cwd: join(repositoryDir, "services", "oracle-agg"),
        env: { ...process.env, TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, TLS_CA_FILE: caFile },
        timeout: 60_000,
      },
    ).catch((error: Error & { stderr?: string; stdout?: string }) => {
      throw new Error(`The key ceremony failed:\n${error.stderr ?? ""}${error.stdout ?? ""}`, {
        cause: error,
      });
    });
  const key: GroupKey = JSON.parse(readFileSync(groupKeyFile, "utf8"));
  return key;
};
