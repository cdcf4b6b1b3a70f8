import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { type Client, type ClientOptions, createClient, type Job } from "../src/index.ts";
import {
  startTestGateway,
  type TestGateway,
  testDeployment,
  testPlan,
  testTenantKey,
} from "../src/testing/index.ts";

export type World = {
  gateway: TestGateway;
  client: Client;
  newClient(options?: Partial<ClientOptions>): Client;
  lockedJob(client?: Client): Promise<Job>;
};

/** A gateway for all tests of a file, and a fresh client for each test. */
export function useWorld(): World {
  const clients: Client[] = [];
  const world = {
    newClient(options: Partial<ClientOptions> = {}) {
      const client = createClient({
        gatewayUrl: world.gateway.url,
        ca: world.gateway.ca,
        deployment: testDeployment,
        tenant: privateKeyToAccount(testTenantKey),
        retry: { baseDelayMs: 1, maxDelayMs: 2_000 },
        ...options,
      });
      clients.push(client);
      return client;
    },
    async lockedJob(client: Client = world.client) {
      return client.lock(await client.quote(testPlan));
    },
  } as World;
  beforeAll(async () => {
    world.gateway = await startTestGateway();
  });
  beforeEach(() => {
    const { gateway } = world;
    gateway.faults.length = 0;
    gateway.seen.length = 0;
    gateway.pieceDelayMs = 0;
    gateway.answersToCutOff = 0;
    gateway.echo = (prompt) => `You said: ${prompt}`;
    gateway.jobs.tokenLifetimeSeconds = 300;
    world.client = world.newClient();
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.shutdown()));
    await world.gateway.close();
  });
  return world;
}

export function chatBody(content: string, more: object = {}): RequestInit {
  return {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "chat-small", messages: [{ role: "user", content }], ...more }),
  };
}
