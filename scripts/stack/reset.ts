import { rmSync } from "node:fs";
import { createLayout, type Layout } from "./layout.ts";
import { postgresDataDir } from "./postgres.ts";

/** Removes a stopped stack's chain, databases, keys and logs, and leaves its folders empty. */
export const forget = (layout: Layout): void => {
  rmSync(postgresDataDir(layout), { recursive: true, force: true });
  rmSync(layout.dir, { recursive: true, force: true });
  createLayout(layout.dir);
};
