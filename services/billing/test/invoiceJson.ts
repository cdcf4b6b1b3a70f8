import { Deployment, Invoice } from "@tac/protocol";
import { z } from "zod";
import { buildInvoice } from "../src/invoice/buildInvoice.ts";
import { type Verification, verifyInvoice } from "../src/verify/verifyInvoice.ts";
import { createMemoryChain } from "./memoryChain.ts";
import { billingKey, deployment, factsOf, issuer, type World } from "./world.ts";

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
type Path = readonly (string | number)[];

const jsonSchema: z.ZodType<Json> = z.json();
const domain = Deployment.domains(deployment).invoice;

export const ISSUED_AT_MS = 1_760_000_100_000n;

export function signedInvoice(world: World, basisPoints = 0): Invoice.Invoice {
  const tax = { country: basisPoints === 0 ? null : "DE", basisPoints };
  const unsigned = buildInvoice(factsOf(world), { tax, issuer, issuedAtMs: ISSUED_AT_MS });
  return Invoice.sign(unsigned, domain, billingKey);
}

/** The file as somebody else receives it. */
export function invoiceJson(world: World, basisPoints = 0): Json {
  return jsonSchema.parse(JSON.parse(JSON.stringify(Invoice.toJson(signedInvoice(world, basisPoints)))));
}

export function at(json: Json, path: Path): Json {
  return path.reduce<Json>((value, part) => {
    if (Array.isArray(value) && typeof part === "number") return present(value[part], path);
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return present(value[part], path);
    throw new Error(`There is no ${path.join(".")}.`);
  }, json);
}

export function set(json: Json, path: Path, value: Json): void {
  const last = path.at(-1);
  const holder = at(json, path.slice(0, -1));
  if (Array.isArray(holder) && typeof last === "number") holder[last] = value;
  else if (typeof holder === "object" && holder !== null && !Array.isArray(holder) && last !== undefined)
    holder[last] = value;
}

export function list(json: Json, path: Path): Json[] {
  const found = at(json, path);
  if (!Array.isArray(found)) throw new Error(`${path.join(".")} is no list.`);
  return found;
}

function present(value: Json | undefined, path: Path): Json {
  if (value === undefined) throw new Error(`There is no ${path.join(".")}.`);
  return value;
}

/** Every path to a value that is neither a list nor an object. */
export function leafPaths(json: Json, path: (string | number)[] = []): (string | number)[][] {
  if (Array.isArray(json)) return json.flatMap((item, index) => leafPaths(item, [...path, index]));
  if (typeof json === "object" && json !== null)
    return Object.entries(json).flatMap(([name, item]) => leafPaths(item, [...path, name]));
  return [path];
}

/** What a dishonest issuer does after it changed the content: signs it again. Null when it has no valid form. */
export function resign(json: Json): Json | null {
  const parsed = Invoice.schema.safeParse(json);
  if (!parsed.success) return null;
  const { signature: _old, ...unsigned } = parsed.data;
  return jsonSchema.parse(
    JSON.parse(JSON.stringify(Invoice.toJson(Invoice.sign(unsigned, domain, billingKey)))),
  );
}

export function verifyIn(world: World, json: unknown): Promise<Verification> {
  return verifyInvoice(json, { reader: createMemoryChain(world.state), deployment });
}
