import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: [
      "{sdks,services}/*/{src,test}/**/*.test.ts",
      "scripts/**/*.test.ts",
      "contracts/test/**/*.test.ts",
    ],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
