import { normalizeIP } from "@fastify/rate-limit";

const KEPT_ADDRESSES = 4096;
const networks = new Map<string, string>();

/**
 * What a rate limit counts an address by: an IPv6 address by its network of 64 bits, which is one subscriber's, and an
 * IPv4 address by itself, however it is written. A caller that has hung up has no address any more.
 */
export function limitKeyOf(address: string | undefined): string {
  if (address === undefined || !address.includes(":")) return address ?? "gone";
  const known = networks.get(address);
  if (known !== undefined) return known;
  // Reading an IPv6 address costs more than the rest of the limit, so each is read once; the bound keeps memory small.
  if (networks.size >= KEPT_ADDRESSES) networks.clear();
  const network = normalizeIP(address);
  networks.set(address, network);
  return network;
}
