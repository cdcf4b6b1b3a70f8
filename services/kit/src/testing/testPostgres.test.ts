import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("a process that has started a server still ends with its own code", async () => {
  const module = join(import.meta.dirname, "testPostgres.ts");
  const script = `
    import { startTestPostgres } from ${JSON.stringify(module)};
    await (await startTestPostgres()).stop();
    process.exitCode = 3;`;
  const run = promisify(execFile)(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", script],
    {
      cwd: import.meta.dirname,
    },
  );
  await expect(run).rejects.toMatchObject({ code: 3 });
});
