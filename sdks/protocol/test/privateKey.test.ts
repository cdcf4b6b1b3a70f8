import { execFile } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { PrivateKey } from "../src/index.ts";

describe("a fresh private key", () => {
  it.each(["P-256", "P-384", "secp256k1", "Ed25519", "X25519"] as const)("is on %s", (curve) => {
    const key = PrivateKey.generate(curve);
    expect(key.type).toBe("private");
    expect(createPublicKey(key).export({ format: "jwk" }).crv).toBe(curve);
    expect(PrivateKey.generate(curve).equals(key)).toBe(false);
  });

  it("can be exported while garbage is collected", async () => {
    // In a process of its own, because a hang cannot be caught from inside; its small heap is collected all the time.
    const module = join(import.meta.dirname, "..", "src", "PrivateKey.ts");
    const script = `
      import { createPublicKey } from "node:crypto";
      import { generate } from ${JSON.stringify(module)};
      for (let keys = 0; keys < 500; keys += 1) {
        const key = generate("Ed25519");
        for (let times = 0; times < 30; times += 1) createPublicKey(key).export({ format: "jwk" });
      }
      console.log("exported");`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--max-semi-space-size=1", "--import", "tsx", "--input-type=module", "--eval", script],
      { cwd: import.meta.dirname, timeout: 50_000 },
    );
    expect(stdout).toBe("exported\n");
  });
});
