import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Layout, repositoryDir } from "../stack/layout.ts";

/** A shell block of a document: what stands between ```sh NAME and ```. */
export type Block = { name: string; text: string };

/** The named shell blocks of a Markdown text, in its order. Errors: an Error for a name that stands twice. */
export const blocksOf = (markdown: string): Block[] => {
  const found = [...markdown.matchAll(/^```sh ([a-z-]+)\n([\s\S]*?)^```$/gm)];
  const blocks = found.map(([, name = "", text = ""]) => ({ name, text }));
  const twice = blocks.find(({ name }, index) => blocks.findIndex((one) => one.name === name) !== index);
  if (twice !== undefined) throw new Error(`The document has two blocks ${twice.name}.`);
  return blocks;
};

/** Replaces every secret in a text. */
export const mask = (text: string, secrets: readonly string[]): string =>
  secrets.reduce((masked, secret) => masked.replaceAll(secret, "[secret]"), text);

/** What a stack's key folder holds in files that are a secret from beginning to end. */
export const secretsOf = ({ keysDir }: Layout): string[] =>
  readdirSync(keysDir)
    .filter((name) => /\.(key|token|passphrase)$/.test(name))
    .map((name) => readFileSync(join(keysDir, name), "utf8").trim());

export type Ended = { code: number | null; text: string; tookMs: number };

/** Long enough for a ceremony and a timelock on a busy machine. */
const TIMEOUT_MS = 240_000;

/**
 * Runs a block as an operator would who pastes it, after the block that sets the variables, in a shell that ends at the
 * first command that fails. Standard output and error come back in one text.
 */
export const runBlock = async (
  setup: Block,
  { text }: Block,
  env: Record<string, string>,
): Promise<Ended> => {
  const startedAt = Date.now();
  const child = spawn("bash", ["-c", `set -eu\n${setup.text}\n${text}`], {
    cwd: repositoryDir,
    env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { code, text: Buffer.concat(chunks).toString("utf8"), tookMs: Date.now() - startedAt };
};
