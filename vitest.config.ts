import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["sdks/*/test/**/*.test.ts", "services/*/test/**/*.test.ts", "scripts/test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
