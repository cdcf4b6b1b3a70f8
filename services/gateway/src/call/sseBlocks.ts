/** Longest event of a stream that is still waited for; a longer one is an upstream that does not speak SSE. */
const MAX_BLOCK_BYTES = 1024 * 1024;

/** Cuts a byte stream of server-sent events into whole events, each with the blank line that ends it. */
export class SseBlocks {
  #rest: Buffer = Buffer.alloc(0);

  /** The events completed by these bytes. Throws RangeError when one event grows past 1 MiB. */
  push(chunk: Uint8Array): Buffer[] {
    const bytes = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    const blocks: Buffer[] = [];
    let start = 0;
    for (let end = endOfBlock(bytes, start); end !== -1; end = endOfBlock(bytes, start)) {
      blocks.push(bytes.subarray(start, end));
      start = end;
    }
    this.#rest = bytes.subarray(start);
    if (this.#rest.length > MAX_BLOCK_BYTES) throw new RangeError("An event of the stream is too long.");
    return blocks;
  }

  /** What came after the last blank line. */
  rest(): Buffer {
    return this.#rest;
  }
}

function endOfBlock(bytes: Buffer, start: number): number {
  const unix = bytes.indexOf("\n\n", start);
  const network = bytes.indexOf("\r\n\r\n", start);
  if (unix === -1 && network === -1) return -1;
  if (network !== -1 && (unix === -1 || network < unix)) return network + 4;
  return unix + 2;
}
