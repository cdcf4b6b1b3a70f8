import { createECDH, hkdfSync } from "node:crypto";
import { Wire } from "@tac/protocol";
import { type Holder, importHolder } from "@tac/sdk";
import type { Hex } from "viem";

const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/**
 * The P-256 key that proves the calls of one task, derived with HKDF (RFC 5869) from the tenant's key. A task can so
 * be closed after a restart without any private key in the store, and no two tasks share a key.
 */
export function taskHolder(tenantPrivateKey: Hex, taskId: string): Holder {
  const secret = Wire.fromHex(tenantPrivateKey, 32);
  for (let counter = 0; ; counter += 1) {
    const scalar = Buffer.from(
      hkdfSync("sha256", secret, "tac orchestrator holder", `${taskId} ${counter}`, 32),
    );
    const value = BigInt(Wire.toHex(scalar));
    if (value === 0n || value >= P256_ORDER) continue;
    const curve = createECDH("prime256v1");
    curve.setPrivateKey(scalar);
    const point = curve.getPublicKey();
    return importHolder({
      kty: "EC",
      crv: "P-256",
      x: Wire.toBase64url(point.subarray(1, 33)),
      y: Wire.toBase64url(point.subarray(33, 65)),
      d: Wire.toBase64url(scalar),
    });
  }
}
