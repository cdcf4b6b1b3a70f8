import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadReplicaConfig } from "../config.ts";
import { KeyRing } from "./KeyRing.ts";
import { createShareSeal, readShareSecret, type ShareSecret } from "./ShareSeal.ts";

const folder = mkdtempSync(join(tmpdir(), "tac-seal-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const passphrase: ShareSecret = { kind: "passphrase", text: "correct horse battery staple" };
const keyFile: ShareSecret = { kind: "key-file", text: "5e".repeat(32) };

describe.each([passphrase, keyFile])("a share sealed with a $kind", (secret) => {
  const sealed = createShareSeal(secret).seal("the share", "label");

  test("opens in another process with the same secret, and does not show its content", () => {
    expect(createShareSeal(secret).open(sealed, "label")).toBe("the share");
    expect(sealed).not.toContain("the share");
    expect(createShareSeal(secret).seal("the share", "label")).not.toBe(sealed);
  });

  test("does not open with another secret, and says why", () => {
    const other = { ...secret, text: secret.text.replaceAll("e", "3") };
    expect(() => createShareSeal(other).open(sealed, "label")).toThrow(
      `The key share does not open: a wrong ${secret.kind}, or an altered file.`,
    );
  });

  test("does not open as something else, altered, or cut short", () => {
    const seal = createShareSeal(secret);
    expect(() => seal.open(sealed, "another label")).toThrow("does not open");
    const { tag, ...rest } = JSON.parse(sealed);
    expect(() => seal.open(JSON.stringify({ ...rest, tag: tag.slice(0, 8) }), "label")).toThrow(
      "does not open",
    );
    expect(() => seal.open(JSON.stringify(rest), "label")).toThrow("no sealed key share");
    expect(() => seal.open('{"version":1,"share":"0x11"}', "label")).toThrow("no sealed key share");
  });
});

test("a share sealed in one way is not opened in the other", () => {
  const sealed = createShareSeal(passphrase).seal("the share", "label");
  expect(() => createShareSeal(keyFile).open(sealed, "label")).toThrow("sealed with a passphrase");
});

test("a weak passphrase, a malformed key and a readable share file are refused by name", () => {
  const file = join(folder, "secret");
  writeFileSync(file, "short\n");
  expect(() => readShareSecret("passphrase", file)).toThrow("at least 16 characters");
  expect(() => readShareSecret("key-file", file)).toThrow("64 lowercase hex digits");
  writeFileSync(`${file}.epoch-1`, "{}", { mode: 0o644 });
  expect(() => new KeyRing(file, createShareSeal(keyFile))).toThrow("readable by its owner only");
});

test("a replica without anything to seal its shares with does not start", () => {
  expect(() => loadReplicaConfig({})).toThrow();
  const env = {
    DATABASE_URL: "postgres://127.0.0.1/x",
    REPLICA_ID: "1",
    AGGREGATORS_FILE: "a",
    NODE_KEY_FILE: "b",
    KEY_FILE: "c",
    DEPLOYMENT_FILE: "d",
    RPC_URLS: "http://127.0.0.1:1",
    SUBMITTER_PRIVATE_KEY: `0x${"11".repeat(32)}`,
    GATEWAYS_FILE: "e",
    TARIFF_URL: "http://127.0.0.1:2",
    TARIFF_SIGNERS: `0x${"22".repeat(20)}`,
  };
  expect(() => loadReplicaConfig(env)).toThrow("key shares are not kept unsealed");
  expect(() => loadReplicaConfig({ ...env, KEY_PASSPHRASE_FILE: "p", KEY_WRAPPING_KEY_FILE: "w" })).toThrow(
    "name either this or KEY_WRAPPING_KEY_FILE",
  );
  expect(loadReplicaConfig({ ...env, KEY_PASSPHRASE_FILE: "p" }).KEY_PASSPHRASE_FILE).toBe("p");
});
