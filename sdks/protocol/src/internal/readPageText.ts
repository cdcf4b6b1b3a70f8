import type { Hex } from "viem";

/** An event as it stands in a page, with what has to be looked up before it can be judged; nobody has checked it. */
export type UnreadEvent = {
  /** Compact JSON, or no JSON at all. */
  text: string;
  kind: unknown;
  jobId: Hex | null;
  tariffHash: Hex | null;
};

const STRING = '"[^"\\\\]*"';
/** The rest of an object that holds no other and nothing that is escaped. */
const REST = "[^{}\\\\]*";
const BYTES32 = '"(0x[0-9a-f]{64})"';
/** What stands before a member that is looked for: bounded, or a page of such members would be searched again for each. */
const UP_TO = "[^{}\\\\]{0,1024}?";

const USAGE = new RegExp(
  `\\{"body":\\{"proof":${STRING},` +
    `"receipt":\\{${UP_TO},"jobId":${BYTES32},${UP_TO},"tariffHash":${BYTES32}\\},` +
    `"receiptSignature":${STRING},"usageAuth":${STRING},` +
    `"usageReport":(?:null|\\{"report":\\{${REST}\\},"signature":${STRING}\\})\\},` +
    `"gateway":${STRING},"kind":"usage",${REST}\\}`,
  "y",
);
const END_OF_EVENT = /"hash":"0x[0-9a-f]{64}"\}/g;

const START = '{"events":[';
const HEAD = '],"head":';

/**
 * Cuts a page into the texts of its events without reading them, where it is spelt as gateways spell it: compact, usage in
 * canonical order. Whatever the cuts are, the page is JSON exactly if each text is, and then those are its events. Null
 * for another spelling, which only means that the page has to be parsed.
 */
export function readPageText(page: string): { events: UnreadEvent[]; headText: string } | null {
  if (!page.startsWith(START) || !page.endsWith("}")) return null;
  const events: UnreadEvent[] = [];
  let at = START.length;
  while (!page.startsWith(HEAD, at)) {
    if (events.length > 0) {
      if (page[at] !== ",") return null;
      at += 1;
    }
    USAGE.lastIndex = at;
    const usage = USAGE.exec(page);
    let event: UnreadEvent | null;
    if (usage === null) event = readOther(page, at);
    else {
      const [text, jobId, tariffHash] = usage;
      event = { text, kind: "usage", jobId: jobId as Hex, tariffHash: tariffHash as Hex };
    }
    if (event === null) return null;
    events.push(event);
    at += event.text.length;
  }
  return { events, headText: page.slice(at + HEAD.length, -1) };
}

/** The event that begins at `at`, if its hash is its last member. */
function readOther(page: string, at: number): UnreadEvent | null {
  END_OF_EVENT.lastIndex = at;
  if (END_OF_EVENT.exec(page) === null) return null;
  const text = page.slice(at, END_OF_EVENT.lastIndex);
  try {
    return describeEvent(JSON.parse(text), text);
  } catch {
    return null;
  }
}

/** An event of a page that was parsed as a whole. */
export function describeEvent(value: unknown, text = JSON.stringify(value)): UnreadEvent {
  const kind = member(value, "kind");
  const body = member(value, "body");
  const inner =
    kind === "usage" ? member(body, "receipt") : kind === "job-opened" ? member(body, "capability") : body;
  return {
    text,
    kind,
    jobId: bytes32(member(inner, "jobId")),
    tariffHash: bytes32(member(inner, "tariffHash")),
  };
}

const member = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;

const IS_BYTES32 = /^0x[0-9a-f]{64}$/;
const bytes32 = (value: unknown): Hex | null =>
  typeof value === "string" && IS_BYTES32.test(value) ? (value as Hex) : null;
