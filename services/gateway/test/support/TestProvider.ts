import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { listen } from "./listen.ts";

export type Received = { path: string; headers: IncomingMessage["headers"]; body: Record<string, unknown> };
export type Answering = (received: Received, response: ServerResponse) => void | Promise<void>;

/** A tiny OpenAI-like server whose answers each test chooses. */
export class TestProvider {
  readonly received: Received[] = [];
  /** Exchanges that the gateway broke off. */
  aborted = 0;
  answer: Answering = answerUsual;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      void this.#handle(request, response);
    });
  }

  async start(): Promise<string> {
    return `http://127.0.0.1:${await listen(this.#server)}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const received: Received = {
      path: request.url ?? "",
      headers: request.headers,
      body: JSON.parse(Buffer.concat(chunks).toString("utf8")) as Record<string, unknown>,
    };
    this.received.push(received);
    response.once("close", () => {
      if (!response.writableFinished) this.aborted += 1;
    });
    await this.answer(received, response);
  }
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
) {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

export function chunkOf(content: string): string {
  return `data: ${JSON.stringify({ object: "chat.completion.chunk", choices: [{ index: 0, delta: { content } }] })}\n\n`;
}

export function usageChunk(promptTokens: number, completionTokens: number): string {
  const usage = { prompt_tokens: promptTokens, completion_tokens: completionTokens };
  return `data: ${JSON.stringify({ object: "chat.completion.chunk", choices: [], usage })}\n\n`;
}

export const DONE = "data: [DONE]\n\n";

/** Ten prompt tokens, three completion tokens, whatever was asked. */
export const answerUsual: Answering = ({ path, body }, response) => {
  if (path === "/v1/embeddings") {
    sendJson(response, 200, {
      object: "list",
      data: [{ embedding: [0.5] }],
      usage: { prompt_tokens: 7, total_tokens: 7 },
    });
    return;
  }
  if (body.stream === true) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const word of ["one ", "two ", "three"]) response.write(chunkOf(word));
    response.end(usageChunk(10, 3) + DONE);
    return;
  }
  sendJson(response, 200, {
    object: "chat.completion",
    choices: [{ index: 0, message: { role: "assistant", content: "one two three" }, finish_reason: "stop" }],
    usage: { prompt_tokens: 10, completion_tokens: 3, total_tokens: 13 },
  });
};
