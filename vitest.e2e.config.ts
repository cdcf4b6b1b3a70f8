import { defineConfig } from "vitest/config";

// One stack serves one file, so files run one after the other.
export default defineConfig({
  test: {
    include: ["scripts/e2e/**/*.e2e.ts"],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    fileParallelism: false,
    reporters: ["verbose"],
  },
});
