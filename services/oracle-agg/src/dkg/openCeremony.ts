import { publicKeyOf } from "../keys/AggregatorSet.ts";
import type { KeyRing } from "../keys/KeyRing.ts";
import type { ShareSeal } from "../keys/ShareSeal.ts";
import { Ceremony, type CeremonyOptions } from "./Ceremony.ts";
import { ProgressFile } from "./ProgressFile.ts";
import { Transcript } from "./Transcript.ts";

/** A node's side of ceremonies, with its files beside KEY_FILE: `.ceremony` (sealed secrets) and `.transcript` (signed, not secret). */
export const openCeremony = ({
  keyFile,
  seal,
  ...options
}: Omit<CeremonyOptions, "progress" | "transcript"> & {
  keyFile: string;
  ring: KeyRing;
  seal: ShareSeal;
}): Ceremony =>
  new Ceremony({
    ...options,
    progress: new ProgressFile(`${keyFile}.ceremony`, seal),
    transcript: new Transcript(
      `${keyFile}.transcript`,
      options.nodeKey.signing,
      publicKeyOf("Ed25519", options.nodeKey.nodePublicKey),
    ),
  });
