import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { certificateNames } from "@tac/kit";
import { createKeeper, type KeeperSettings, type Leaf } from "./CertificateKeeper.ts";
import type { Keys } from "./keys.ts";
import { type Layout, repositoryDir } from "./layout.ts";
import type { Command } from "./processes.ts";

/** PEM files of one party. */
export type PairFiles = { certFile: string; keyFile: string };

export type Certificates = {
  /** PEM of the authorities that were trusted when the stack started. */
  ca: string;
  caFile: string;
  of: (party: string) => PairFiles;
  settingsFile: string;
};

const secondsOf = (variable: string, fallback: number): number => {
  const seconds = Number(process.env[variable] ?? fallback);
  if (Number.isFinite(seconds) && seconds >= 1) return seconds;
  throw new Error(`${variable} must be a number of seconds, at least 1.`);
};

const hour = 3_600;

const leavesOf = (layout: Layout, keys: Keys): Leaf[] => {
  const leaf = (commonName: string, uses: Leaf["uses"], ...names: string[]): Leaf => ({
    commonName,
    uses,
    names,
    dir: join(layout.tlsDir, commonName),
  });
  const gateway = certificateNames.gateway(keys.gateway.account.address.toLowerCase());
  return [
    leaf("gateway", ["server"], gateway),
    leaf("gateway-client", ["client"], gateway),
    leaf("operator", ["client"], certificateNames.operator("ceremony")),
    ...[...keys.providers.keys()].map((id) =>
      leaf(`provider-sim-${id}`, ["server"], certificateNames.provider(id)),
    ),
    ...[...keys.aggregators].map(([id, { node }]) =>
      leaf(`aggregator-${id}`, ["server", "client"], certificateNames.aggregator(node.nodePublicKey)),
    ),
  ];
};

/**
 * Makes the development authority and a certificate for each party, or renews those of an earlier run. Lifetimes come
 * from `CERTIFICATE_LIFETIME_SECONDS` (two hours), `AUTHORITY_LIFETIME_SECONDS` (30 days) and
 * `AUTHORITY_OVERLAP_SECONDS` (half a minute).
 */
export const createCertificates = async (layout: Layout, keys: Keys): Promise<Certificates> => {
  const settings: KeeperSettings = {
    authorityFile: join(layout.keysDir, "authority.json"),
    bundleFile: join(layout.configDir, "ca.pem"),
    leaves: leavesOf(layout, keys),
    lifetimeMs: secondsOf("CERTIFICATE_LIFETIME_SECONDS", 2 * hour) * 1_000,
    authorityLifetimeMs: secondsOf("AUTHORITY_LIFETIME_SECONDS", 30 * 24 * hour) * 1_000,
    overlapMs: secondsOf("AUTHORITY_OVERLAP_SECONDS", 30) * 1_000,
  };
  await createKeeper(settings).keep();
  const settingsFile = join(layout.configDir, "certificates.json");
  writeFileSync(settingsFile, JSON.stringify(settings, null, 2), { mode: 0o600 });
  return {
    ca: readFileSync(settings.bundleFile, "utf8"),
    caFile: settings.bundleFile,
    of: (party) => ({
      certFile: join(layout.tlsDir, party, "cert.pem"),
      keyFile: join(layout.tlsDir, party, "key.pem"),
    }),
    settingsFile,
  };
};

/** The process that renews them while the stack runs. */
export const certificateCommand = (layout: Layout, { settingsFile }: Certificates): Command => ({
  name: "certificates",
  command: process.execPath,
  args: ["--import", "tsx", "stack/certificateAuthority.ts", settingsFile, String(layout.ports.certificates)],
  cwd: join(repositoryDir, "scripts"),
  logFile: join(layout.logsDir, "certificates.log"),
  env: { NODE_ENV: "production" },
});
