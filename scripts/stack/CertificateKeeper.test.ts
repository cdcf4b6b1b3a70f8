import { X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { uriNamesOf } from "@tac/kit";
import { describe, expect, test } from "vitest";
import { createKeeper, type KeeperSettings } from "./CertificateKeeper.ts";

const newSettings = (changes: Partial<KeeperSettings> = {}): KeeperSettings => {
  const dir = mkdtempSync(join(tmpdir(), "tac-keeper-"));
  mkdirSync(join(dir, "keys"), { mode: 0o700 });
  return {
    authorityFile: join(dir, "keys", "authority.json"),
    bundleFile: join(dir, "ca.pem"),
    leaves: [
      { commonName: "one", uses: ["server"], names: ["urn:tac:provider:1"], dir: join(dir, "tls", "one") },
      { commonName: "two", uses: ["client"], names: ["urn:tac:gateway:0xab"], dir: join(dir, "tls", "two") },
    ],
    lifetimeMs: 3_600_000,
    authorityLifetimeMs: 24 * 3_600_000,
    overlapMs: 300,
    ...changes,
  };
};
const certOf = ({ leaves }: KeeperSettings, index = 0): X509Certificate =>
  new X509Certificate(readFileSync(join(leaves[index]?.dir ?? "", "cert.pem")));
const bundleOf = ({ bundleFile }: KeeperSettings): X509Certificate[] =>
  readFileSync(bundleFile, "utf8")
    .split(/(?<=-----END CERTIFICATE-----\n)/)
    .map((pem) => new X509Certificate(pem));

describe("the development authority", () => {
  test("names each party, keeps its own key to its owner, and leaves alone what is fresh", async () => {
    const settings = newSettings();
    await createKeeper(settings).keep();
    expect([...uriNamesOf(certOf(settings).subjectAltName)]).toEqual(["urn:tac:provider:1"]);
    expect([...uriNamesOf(certOf(settings, 1).subjectAltName)]).toEqual(["urn:tac:gateway:0xab"]);
    const mode = (file: string): number => statSync(file).mode & 0o777;
    expect(mode(settings.authorityFile)).toBe(0o600);
    expect(settings.leaves.map(({ dir }) => mode(join(dir, "key.pem")))).toEqual([0o600, 0o600]);
    const { serialNumber } = certOf(settings);
    await createKeeper(settings).keep();
    expect(certOf(settings).serialNumber).toBe(serialNumber);
  });

  test("renews at half of the life, and what is missing or no certificate at once", async () => {
    const settings = newSettings({ lifetimeMs: 2_000 });
    const keeper = createKeeper(settings);
    await keeper.keep();
    const first = certOf(settings).serialNumber;
    await sleep(1_300);
    await keeper.keep();
    const second = certOf(settings).serialNumber;
    expect(second).not.toBe(first);
    writeFileSync(join(settings.leaves[0]?.dir ?? "", "cert.pem"), "no certificate");
    await keeper.keep();
    expect(certOf(settings).serialNumber).not.toBe(second);
  });

  test("issues anew when a party's name has changed", async () => {
    const settings = newSettings();
    await createKeeper(settings).keep();
    const [one] = settings.leaves;
    if (one === undefined) throw new Error("no leaf");
    const renamed = { ...settings, leaves: [{ ...one, names: ["urn:tac:provider:12"] }] };
    await createKeeper(renamed).keep();
    expect([...uriNamesOf(certOf(renamed).subjectAltName)]).toEqual(["urn:tac:provider:12"]);
    await createKeeper(settings).keep();
    expect([...uriNamesOf(certOf(settings).subjectAltName)]).toEqual(["urn:tac:provider:1"]);
  });

  test("is replaced by one that is trusted first, signs later, and outlives what the old one signed", async () => {
    const settings = newSettings({ lifetimeMs: 1_500 });
    const keeper = createKeeper(settings);
    await keeper.keep();
    const [old] = bundleOf(settings);
    if (old === undefined) throw new Error("no authority");
    await keeper.replaceAuthority();
    const [, next] = bundleOf(settings);
    if (next === undefined) throw new Error("no second authority");
    await keeper.keep();
    expect(certOf(settings).verify(old.publicKey)).toBe(true);

    await sleep(350);
    await keeper.keep();
    expect(certOf(settings).verify(next.publicKey)).toBe(true);
    expect(bundleOf(settings)).toHaveLength(2);

    await sleep(1_600);
    await keeper.keep();
    expect(bundleOf(settings).map(({ fingerprint256 }) => fingerprint256)).toEqual([next.fingerprint256]);
  });

  test("is replaced by itself at half of its life", async () => {
    const settings = newSettings({ authorityLifetimeMs: 8_000, lifetimeMs: 4_000 });
    const keeper = createKeeper(settings);
    await keeper.keep();
    await sleep(4_200);
    await keeper.keep();
    expect(bundleOf(settings)).toHaveLength(2);
  });
});
