export {
  type Call,
  createVerifier,
  type Headers,
  type VerifiedCall,
  type Verifier,
  type VerifierSettings,
} from "./createVerifier.ts";
