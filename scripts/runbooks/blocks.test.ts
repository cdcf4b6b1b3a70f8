import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { repositoryDir } from "../stack/layout.ts";
import { blocksOf, mask, runBlock } from "./blocks.ts";
import { everyRunbook } from "./everyRunbook.ts";

const setup = { name: "setup", text: "greet() { echo hello $1; }\n" };

describe("the blocks of a document", () => {
  test("are those with a name, as they stand", () => {
    const text = "# A\n\n```sh one\necho 1\n\necho 2\n```\n\n```sh\nnot this\n```\n\n```sh two\n```\n";
    expect(blocksOf(text)).toEqual([
      { name: "one", text: "echo 1\n\necho 2\n" },
      { name: "two", text: "" },
    ]);
  });

  test("have one name each", () => {
    expect(() => blocksOf("```sh a\n```\n```sh a\n```\n")).toThrow("two blocks a");
  });

  test("of docs/RUNBOOKS.md are all run, and nothing is run that is not there", () => {
    const markdown = readFileSync(join(repositoryDir, "docs", "RUNBOOKS.md"), "utf8");
    const named = blocksOf(markdown).map(({ name }) => name);
    const run = new Set(["setup", ...everyRunbook.flatMap(({ blocks }) => blocks)]);
    expect([...run].sort()).toEqual(named.sort());
  });
});

describe("a block", () => {
  test("runs after the setup, and says all that it printed", async () => {
    const ended = await runBlock(setup, { name: "x", text: "greet you\necho problem >&2\n" }, {});
    expect(ended).toMatchObject({ code: 0, text: "hello you\nproblem\n" });
  });

  test("ends at the first command that fails", async () => {
    const ended = await runBlock(setup, { name: "x", text: "false\ngreet you\n" }, {});
    expect(ended).toMatchObject({ code: 1, text: "" });
  });

  test("may not use a variable that nobody set", async () => {
    expect((await runBlock(setup, { name: "x", text: "greet $NOBODY\n" }, {})).code).not.toBe(0);
  });
});

test("no secret is left in a masked text", () => {
  expect(mask("a=0xaa b=0xbb a=0xaa", ["0xaa", "0xbb"])).toBe("a=[secret] b=[secret] a=[secret]");
});
