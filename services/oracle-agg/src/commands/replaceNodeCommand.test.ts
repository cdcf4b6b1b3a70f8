import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type AggregatorSet, loadAggregatorSet } from "../keys/AggregatorSet.ts";
import { generateNodeKey, loadNodeKey } from "../keys/NodeKey.ts";
import { addReplaceNodeCommand, withNewNode } from "./replaceNodeCommand.ts";

const set: AggregatorSet = {
  laneId: 0,
  threshold: 3,
  replicas: [1, 2, 3, 4].map((id) => {
    const { nodePublicKey, encryptionPublicKey } = generateNodeKey();
    return { id, url: `https://127.0.0.1:${9100 + id}`, nodePublicKey, encryptionPublicKey };
  }),
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tac-replace-"));
  writeFileSync(join(folder, "present.json"), JSON.stringify(set));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const replaceNode = async (): Promise<void> => {
  const program = new Command();
  addReplaceNodeCommand(program);
  const file = (name: string): string => join(folder, name);
  await program.parseAsync([
    ...["node", "agg", "replace-node", "--replica", "4", "--aggregators-file", file("present.json")],
    ...["--node-key-file", file("node.json"), "--out", file("next.json")],
  ]);
};

describe("a new node in a replica's place", () => {
  test("has its id and address, keys of its own, and changes nobody else", async () => {
    await replaceNode();
    const next = loadAggregatorSet(join(folder, "next.json"));
    const { nodePublicKey, encryptionPublicKey } = loadNodeKey(join(folder, "node.json"));
    expect(next.replicas.slice(0, 3)).toEqual(set.replicas.slice(0, 3));
    expect(next.replicas[3]).toEqual({
      id: 4,
      url: "https://127.0.0.1:9104",
      nodePublicKey,
      encryptionPublicKey,
    });
    expect(nodePublicKey).not.toBe(set.replicas[3]?.nodePublicKey);
    expect(statSync(join(folder, "node.json")).mode & 0o777).toBe(0o600);
  });

  test("does not overwrite a node key that is there", async () => {
    await replaceNode();
    const before = readFileSync(join(folder, "node.json"), "utf8");
    await expect(replaceNode()).rejects.toThrow("EEXIST");
    expect(readFileSync(join(folder, "node.json"), "utf8")).toBe(before);
  });

  test("may listen elsewhere, and must take the place of a replica of the set", () => {
    const node = generateNodeKey();
    expect(withNewNode(set, 4, node, "https://node.example").replicas[3]?.url).toBe("https://node.example");
    expect(() => withNewNode(set, 5, node)).toThrow("no replica 5");
  });
});
