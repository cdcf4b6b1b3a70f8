export {
  type Authority,
  createAuthority,
  type LeafRequest,
  openAuthority,
  type Pair,
} from "./createAuthority.ts";
