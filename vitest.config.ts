import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: [
      "{sdks,services}/*/{src,test}/**/*.test.ts",
      "scripts/**/*.test.ts",
      "contracts/test/**/*.test.ts",
    ],
    globalSetup: ["services/kit/src/testing/sharedPostgres.ts", "services/kit/src/testing/sharedRedis.ts"],
    // Many tests wait for a database or a block, so two files at a time keep two cores busy.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
