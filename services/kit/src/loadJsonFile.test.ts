import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { loadJsonFile } from "./loadJsonFile.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "tac-json-"));
  await writeFile(join(dir, "good.json"), '{"chainId":31337}');
  await writeFile(join(dir, "broken.json"), "{");
});
afterAll(() => rm(dir, { recursive: true }));
const schema = z.object({ chainId: z.int() });

test("reads and parses", async () => {
  expect(await loadJsonFile(join(dir, "good.json"), schema)).toEqual({ chainId: 31_337 });
});

test("names the file, and what is wrong", async () => {
  await expect(loadJsonFile(join(dir, "none.json"), schema)).rejects.toThrow("none.json cannot be read");
  await expect(loadJsonFile(join(dir, "broken.json"), schema)).rejects.toThrow("broken.json is not JSON");
  await expect(loadJsonFile(join(dir, "good.json"), z.object({ startBlock: z.int() }))).rejects.toThrow(
    "startBlock",
  );
});
