import type { Shot } from "../generator/Target.ts";

const path = "/v1/chat/completions";
const model = "sim-chat-small";
const messages = [
  { role: "system", content: "You explain accounting in plain words." },
  {
    role: "user",
    content:
      "Why should prepaid API credit be provable, to whom does that matter, and what does it cost a call?",
  },
];

/** Seconds pass between two tokens of a stream, so that it stays open while its memory is looked at. */
export const slowHeaders = { "x-sim-token-latency-ms": "2000", "x-sim-output-tokens": "60" };

const shot = (headers: Record<string, string>, body: object): Shot => ({
  path,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

/** A short chat call with sixteen tokens of answer, and a stream that goes on for minutes. */
export const shots = (
  headers: Record<string, string>,
  streamModel = model,
): { call: Shot; stream: Shot } => ({
  call: shot(headers, { model, max_tokens: 16, messages }),
  stream: shot(headers, {
    model: streamModel,
    max_tokens: 60,
    messages,
    stream: true,
    metadata: slowHeaders,
  }),
});

export const bearer = (apiKey: string): { authorization: string } => ({ authorization: `Bearer ${apiKey}` });
