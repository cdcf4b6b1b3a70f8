import { hash } from "node:crypto";

export function sha256(content: Uint8Array | string): Uint8Array {
  return hash("sha256", content, "buffer");
}
