import { X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { uriNamesOf } from "@tac/kit";
import {
  type Authority,
  createAuthority,
  type LeafRequest,
  openAuthority,
  type Pair,
} from "@tac/kit/development";

/** One party's certificate: `cert.pem` and `key.pem` in a folder of its own. */
export type Leaf = Pick<LeafRequest, "commonName" | "uses"> & { dir: string; names: string[] };

export type KeeperSettings = {
  /** The authorities with their keys; readable by its owner alone. */
  authorityFile: string;
  /** PEM of every authority that is to be trusted right now. */
  bundleFile: string;
  leaves: Leaf[];
  lifetimeMs: number;
  authorityLifetimeMs: number;
  /** How long a new authority is trusted before it signs anything, so that everybody has read the bundle. */
  overlapMs: number;
};

type StoredAuthority = Pair & { activeFromMs: number };

export type CertificateKeeper = {
  /** Makes what is missing, renews what is past half of its life, drops authorities nobody needs any more. */
  keep: () => Promise<void>;
  /** A new authority beside the present one; it takes over once the overlap has passed. */
  replaceAuthority: () => Promise<void>;
  /** How often `keep` has to be called. */
  intervalMs: number;
};

const replaceFile = (file: string, text: string, mode: number): void => {
  writeFileSync(`${file}.new`, text, { mode });
  renameSync(`${file}.new`, file);
};

/** The development authority of a stack. It knows no network: it writes files, and services watch them. */
export const createKeeper = (settings: KeeperSettings): CertificateKeeper => {
  const { authorityFile, bundleFile, leaves, lifetimeMs, authorityLifetimeMs, overlapMs } = settings;
  const load = (): StoredAuthority[] =>
    existsSync(authorityFile) ? (JSON.parse(readFileSync(authorityFile, "utf8")) as StoredAuthority[]) : [];
  const save = (authorities: readonly StoredAuthority[]): void => {
    replaceFile(authorityFile, JSON.stringify(authorities), 0o600);
    replaceFile(bundleFile, authorities.map(({ cert }) => cert).join(""), 0o644);
  };
  const create = async (activeFromMs: number): Promise<StoredAuthority> => {
    const { cert, key } = await createAuthority("tokenised-api-credits development CA", authorityLifetimeMs);
    return { cert, key, activeFromMs };
  };
  const remainingMs = (cert: string): number => Date.parse(new X509Certificate(cert).validTo) - Date.now();

  const current = async (): Promise<StoredAuthority[]> => {
    const nowMs = Date.now();
    const valid = load().filter(({ cert }) => remainingMs(cert) > 0);
    const newest = valid.at(-1);
    if (newest === undefined) valid.push(await create(nowMs));
    else if (remainingMs(newest.cert) < authorityLifetimeMs / 2) valid.push(await create(nowMs + overlapMs));
    const active = activeOf(valid);
    // What a superseded authority signed has expired, or was renewed by the next one, one lifetime later.
    return valid.filter(
      (authority) =>
        authority.activeFromMs >= active.activeFromMs || nowMs < active.activeFromMs + lifetimeMs,
    );
  };

  const needsRenewal = ({ dir, names }: Leaf, active: StoredAuthority): boolean => {
    const file = join(dir, "cert.pem");
    if (!existsSync(file) || !existsSync(join(dir, "key.pem"))) return true;
    const leaf = readLeaf(file);
    if (leaf === null) return true;
    const found = uriNamesOf(leaf.subjectAltName);
    const isNamed = names.every((name) => found.has(name));
    const isSigned = leaf.verify(new X509Certificate(active.cert).publicKey);
    return !isNamed || !isSigned || Date.parse(leaf.validTo) - Date.now() < lifetimeMs / 2;
  };

  const issue = async (leaf: Leaf, authority: Authority): Promise<void> => {
    const life = Math.min(lifetimeMs, authority.expiresAtMs - Date.now());
    const { cert, key } = await authority.issue({ ...leaf, lifetimeMs: life });
    mkdirSync(leaf.dir, { recursive: true, mode: 0o700 });
    replaceFile(join(leaf.dir, "key.pem"), key, 0o600);
    replaceFile(join(leaf.dir, "cert.pem"), cert, 0o644);
  };

  const keep = async (): Promise<void> => {
    const stored = load();
    const authorities = await current();
    if (JSON.stringify(authorities) !== JSON.stringify(stored) || !existsSync(bundleFile)) save(authorities);
    const active = activeOf(authorities);
    const due = leaves.filter((leaf) => needsRenewal(leaf, active));
    if (due.length === 0) return;
    const authority = await openAuthority(active);
    await Promise.all(due.map((leaf) => issue(leaf, authority)));
  };

  return {
    keep,
    replaceAuthority: async () => {
      for (const folder of [authorityFile, bundleFile].map(dirname)) mkdirSync(folder, { recursive: true });
      save([...load(), await create(Date.now() + overlapMs)]);
    },
    intervalMs: Math.max(50, Math.min(lifetimeMs, overlapMs) / 8),
  };
};

const activeOf = (authorities: readonly StoredAuthority[]): StoredAuthority => {
  const active = authorities.findLast(({ activeFromMs }) => activeFromMs <= Date.now()) ?? authorities[0];
  if (active === undefined) throw new Error("There is no authority.");
  return active;
};

/** Null for a file that holds no certificate, for instance because a run broke off while writing it. */
const readLeaf = (file: string): X509Certificate | null => {
  try {
    return new X509Certificate(readFileSync(file));
  } catch {
    return null;
  }
};
