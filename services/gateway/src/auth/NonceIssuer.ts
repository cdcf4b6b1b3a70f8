import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

const BUCKET_SECONDS = 60;
const MAC_BYTES = 16;
const BUCKET_BYTES = 6;

/**
 * DPoP nonces (RFC 9449 section 8) that need no store: the minute they were issued in and its MAC. A nonce is good
 * in its own minute and the next, on every replica with the same secret.
 */
export class NonceIssuer {
  readonly #key: Buffer;
  #current: { bucket: number; nonce: string } = { bucket: -1, nonce: "" };
  #previous: { bucket: number; nonce: string } = { bucket: -1, nonce: "" };

  constructor(secret: Uint8Array) {
    this.#key = Buffer.from(hkdfSync("sha256", secret, "", "tac dpop nonce", 32));
  }

  issue(nowSeconds: number): string {
    const bucket = Math.floor(nowSeconds / BUCKET_SECONDS);
    return this.#known(bucket);
  }

  isFresh(nonce: string, nowSeconds: number): boolean {
    const bytes = Buffer.from(nonce, "base64url");
    if (bytes.length !== BUCKET_BYTES + MAC_BYTES || bytes.toString("base64url") !== nonce) return false;
    const bucket = bytes.readUIntBE(0, BUCKET_BYTES);
    const age = Math.floor(nowSeconds / BUCKET_SECONDS) - bucket;
    if (age !== 0 && age !== 1) return false;
    return timingSafeEqual(bytes, Buffer.from(this.#known(bucket), "base64url"));
  }

  /** The nonce of a minute; those of the last two that were asked for are kept. */
  #known(bucket: number): string {
    if (this.#current.bucket === bucket) return this.#current.nonce;
    if (this.#previous.bucket === bucket) return this.#previous.nonce;
    if (bucket > this.#current.bucket) {
      this.#previous = this.#current;
      this.#current = { bucket, nonce: this.#nonceOf(bucket) };
      return this.#current.nonce;
    }
    this.#previous = { bucket, nonce: this.#nonceOf(bucket) };
    return this.#previous.nonce;
  }

  #nonceOf(bucket: number): string {
    const head = Buffer.alloc(BUCKET_BYTES);
    head.writeUIntBE(bucket, 0, BUCKET_BYTES);
    const mac = createHmac("sha256", this.#key).update(head).digest().subarray(0, MAC_BYTES);
    return Buffer.concat([head, mac]).toString("base64url");
  }
}
