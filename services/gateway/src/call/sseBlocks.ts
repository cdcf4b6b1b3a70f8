/** Longest event of a stream that is still waited for; a longer one is an upstream that does not speak SSE. */
const MAX_BLOCK_BYTES = 1024 * 1024;
/** A blank line is at most this long, so so much of what was searched may still be its beginning. */
const LONGEST_END_BYTES = 4;

/**
 * Cuts a byte stream of server-sent events into whole events, each with the blank line that ends it. Each byte is
 * copied and searched a bounded number of times, however small the pieces are that a provider sends.
 */
export class SseBlocks {
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0;
  #searched = 0;

  /** The events completed by these bytes. Throws RangeError when one event grows past 1 MiB. */
  push(chunk: Uint8Array): Buffer[] {
    this.#append(chunk);
    const bytes = this.#buffer.subarray(0, this.#length);
    const blocks: Buffer[] = [];
    let start = 0;
    let from = Math.max(0, this.#searched - LONGEST_END_BYTES);
    for (let end = endOfBlock(bytes, from); end !== -1; end = endOfBlock(bytes, from)) {
      blocks.push(Buffer.from(bytes.subarray(start, end)));
      start = end;
      from = end;
    }
    if (start > 0) this.#buffer.copyWithin(0, start, this.#length);
    this.#length -= start;
    this.#searched = this.#length;
    if (this.#length > MAX_BLOCK_BYTES) throw new RangeError("An event of the stream is too long.");
    return blocks;
  }

  /** The last event of a stream whose end stands for its blank line, or null. */
  end(): Buffer | null {
    const rest = this.#buffer.toString("utf8", 0, this.#length).trimEnd();
    return rest === "" ? null : Buffer.from(`${rest}\n\n`);
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#length + chunk.length;
    if (needed > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length = needed;
  }
}

/** Line ends of both kinds: looked for from line feed to line feed, so that neither kind is searched for in vain. */
function endOfBlock(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(0x0a, from); at !== -1; at = bytes.indexOf(0x0a, at + 1)) {
    if (bytes[at + 1] === 0x0a) return at + 2;
    if (bytes[at - 1] === 0x0d && bytes[at + 1] === 0x0d && bytes[at + 2] === 0x0a) return at + 3;
  }
  return -1;
}
