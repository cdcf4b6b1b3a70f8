import { createPrivateKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { HolderKey, ProtocolError } from "@tac/protocol";
import type { Hex } from "viem";

/** A P-256 key pair that proves possession; `privateKey` is a node:crypto key object. */
export type Holder = { privateKey: KeyObject; jwk: HolderKey.Jwk };

/** The holder keys a client can use, by RFC 7638 thumbprint. */
export type HolderKeyring = {
  /** The key new jobs are bound to unless told otherwise. */
  readonly defaultHolder: Holder;
  add(holder: Holder): void;
  /** Throws `invalid_capability` when the key that the job is bound to is not here. */
  find(thumbprint: Hex): Holder;
};

export function createHolderKeyring(holder: Holder | undefined): HolderKeyring {
  const defaultHolder = holder ?? HolderKey.generate();
  const holders = new Map<Hex, Holder>();
  const add = (added: Holder) => {
    holders.set(HolderKey.thumbprint(added.jwk), added);
  };
  add(defaultHolder);
  return {
    defaultHolder,
    add,
    find(thumbprint) {
      const found = holders.get(thumbprint);
      if (found) return found;
      throw new ProtocolError("invalid_capability", {
        detail: "This client does not have the private key that the job is bound to.",
        param: "holder",
      });
    },
  };
}

/** A holder from a private P-256 JWK, RFC 7517; throws `invalid_request` for any other key. */
export function importHolder(privateJwk: JsonWebKey): Holder {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey({ key: privateJwk, format: "jwk" });
  } catch (cause) {
    throw new ProtocolError("invalid_request", { detail: "The holder key is not a private JWK.", cause });
  }
  return { privateKey, jwk: HolderKey.publicJwk(privateKey) };
}
