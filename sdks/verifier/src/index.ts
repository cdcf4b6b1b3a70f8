export {
  combineRevocations,
  createRevocationList,
  type RevocationListState,
  type Revocations,
} from "./createRevocationList.ts";
export {
  type Call,
  type Count,
  createVerifier,
  type Headers,
  type VerifiedCall,
  type Verifier,
  type VerifierSettings,
} from "./createVerifier.ts";
export { expressVerifier } from "./expressVerifier.ts";
export { fastifyVerifier } from "./fastifyVerifier.ts";
export { type FetchJson, type FollowedGateway, followRevocations } from "./followRevocations.ts";
