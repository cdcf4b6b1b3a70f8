import { createHash, type KeyObject, sign, verify } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { z } from "zod";

const hash = z.string().regex(/^[0-9a-f]{64}$/);

const entrySchema = z.strictObject({
  seq: z.number().int().min(1),
  /** SHA-256 of the line before; 64 zeros in the first. */
  previous: hash,
  at: z.iso.datetime(),
  ceremonyId: hash,
  event: z.enum(["plan", "sent", "received", "complaint", "derived", "finished"]),
  content: z.unknown(),
  signature: z.string().regex(/^[A-Za-z0-9_-]{86}$/),
});
export type TranscriptEntry = z.infer<typeof entrySchema>;

const FIRST = "0".repeat(64);

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

const signingBytes = ({
  seq,
  previous,
  at,
  ceremonyId,
  event,
  content,
}: Omit<TranscriptEntry, "signature">) =>
  Buffer.from(JSON.stringify(["tac-transcript", seq, previous, at, ceremonyId, event, content]));

/**
 * Reads a transcript. Errors: an Error that names the first line which is not signed by the node or does not follow the
 * one before it.
 */
export const readTranscript = (text: string, nodePublicKey: KeyObject): TranscriptEntry[] => {
  let previous = FIRST;
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line, index) => {
      const entry = entrySchema.parse(JSON.parse(line));
      if (entry.seq !== index + 1 || entry.previous !== previous)
        throw new Error(`Line ${index + 1} of the transcript does not follow the line before it.`);
      if (!verify(null, signingBytes(entry), nodePublicKey, Buffer.from(entry.signature, "base64url")))
        throw new Error(`Line ${index + 1} of the transcript is not signed by the node.`);
      previous = digest(line);
      return entry;
    });
};

/**
 * What one node sent and received in all its ceremonies: a file of lines, each signed by the node and naming the hash of the
 * line before. Messages stand in it as they came, with the signatures of their senders; shares only as they were sealed.
 */
export class Transcript {
  readonly #file: string;
  readonly #signing: KeyObject;
  readonly #written = new Set<string>();
  #seq = 0;
  #previous = FIRST;

  /** @param nodePublicKey of `signing`. Errors: as `readTranscript`. */
  constructor(file: string, signing: KeyObject, nodePublicKey: KeyObject) {
    this.#file = file;
    this.#signing = signing;
    if (!existsSync(file)) return;
    const text = readFileSync(file, "utf8");
    for (const entry of readTranscript(text, nodePublicKey)) {
      this.#written.add(nameOf(entry));
      this.#seq = entry.seq;
    }
    this.#previous = digest(text.trimEnd().split("\n").at(-1) ?? "");
  }

  /** Adds a line, unless the same was said before in this ceremony: steps may be repeated. */
  append(ceremonyId: string, event: TranscriptEntry["event"], content: unknown): void {
    const plain: unknown = JSON.parse(JSON.stringify(content));
    const name = nameOf({ ceremonyId, event, content: plain });
    if (this.#written.has(name)) return;
    const entry = {
      seq: this.#seq + 1,
      previous: this.#previous,
      at: new Date().toISOString(),
      ceremonyId,
      event,
      content: plain,
    };
    const signature = sign(null, signingBytes(entry), this.#signing).toString("base64url");
    const line = JSON.stringify({ ...entry, signature });
    appendFileSync(this.#file, `${line}\n`, { mode: 0o600, flush: true });
    this.#written.add(name);
    this.#seq = entry.seq;
    this.#previous = digest(line);
  }
}

const nameOf = ({ ceremonyId, event, content }: Pick<TranscriptEntry, "ceremonyId" | "event" | "content">) =>
  `${ceremonyId}|${event}|${digest(JSON.stringify(content))}`;
