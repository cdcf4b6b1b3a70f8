import { expect, test } from "vitest";
import { z } from "zod";
import { ConfigError, loadConfig } from "./config.ts";
import { configFields } from "./configFields.ts";

const shape = {
  PORT: configFields.port(8081),
  DATABASE_URL: configFields.databaseUrl,
  SIGNING_KEY: configFields.privateKey,
  RPC_URL: configFields.rpcUrls,
  VERBOSE: configFields.flag,
  NOTE: z.string().optional(),
};
const complete = {
  DATABASE_URL: "postgres://a:b@127.0.0.1:5433/tariff",
  SIGNING_KEY: `0x${"1f".repeat(32)}`,
  RPC_URL: "http://127.0.0.1:8545, https://rpc.example",
};

test("gives typed values and defaults", () => {
  const config = loadConfig(shape, complete);
  expect(config).toEqual({
    ...complete,
    PORT: 8081,
    RPC_URL: ["http://127.0.0.1:8545", "https://rpc.example"],
    VERBOSE: false,
  });
  expect(Object.isFrozen(config)).toBe(true);
});

test("lists every missing and invalid variable in one error, and what to set", () => {
  const load = () => loadConfig(shape, { PORT: "eighty", SIGNING_KEY: "0xsecret", RPC_URL: "" });
  expect(load).toThrow(ConfigError);
  try {
    load();
  } catch (error) {
    const { message } = error as ConfigError;
    expect(message).toContain("PORT: invalid");
    expect(message).toContain("DATABASE_URL: missing; set it to a PostgreSQL URL");
    expect(message).toContain("SIGNING_KEY: invalid");
    expect(message).toContain("RPC_URL: missing; set it to one or more JSON-RPC URLs");
    expect(message).not.toContain("secret");
  }
});

test("takes nothing from the environment that the shape does not name", () => {
  expect(loadConfig({ NOTE: z.string().optional() }, { NOTE: "x", OTHER: "y" })).toEqual({ NOTE: "x" });
});

test.each([`0x${"1F".repeat(32)}`, "1f".repeat(32), `0x${"1f".repeat(33)}`])("refuses the key %s", (key) => {
  expect(() => loadConfig({ KEY: configFields.privateKey }, { KEY: key })).toThrow(ConfigError);
});
