import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findDebianProgram } from "./debianProgram.ts";

let dir: string;
let bin: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tac-debian-"));
  bin = join(dir, "bin");
  await mkdir(bin);
  for (const tool of ["mkdir", "touch"]) await symlink(`/bin/${tool}`, join(bin, tool));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const script = async (name: string, lines: string): Promise<void> => {
  await writeFile(join(bin, name), `#!/bin/sh\n${lines}\n`);
  await chmod(join(bin, name), 0o755);
};
const find = () =>
  findDebianProgram({
    name: "served",
    file: "usr/bin/served",
    packages: ["served"],
    folder: join(dir, "fetched", "served"),
    path: bin,
  });

/** An apt that says the machine lacks one library, and a dpkg that unpacks a program and that library. */
const fakeDebian = async (): Promise<void> => {
  await script(
    "apt-get",
    `case "$*" in
      *--simulate*) echo "Inst libfast2 (1.0 Debian)"; echo "Conf libfast2 (1.0 Debian)";;
      *download*) shift 2; for name in "$@"; do echo "$name" >> ${dir}/downloaded; touch "$name.deb"; done;;
    esac`,
  );
  await script(
    "dpkg-deb",
    `mkdir -p "$3/usr/bin" "$3/usr/lib/x86_64-linux-gnu"; touch "$3/usr/bin/served" "$3/usr/lib/x86_64-linux-gnu/$2.so"`,
  );
};

test("a program on the path is taken as it is", async () => {
  await script("served", "exit 0");
  expect(find()).toEqual({ command: "served", env: {} });
});

test("else the packages and what the machine lacks are unpacked once, and the libraries named", async () => {
  await fakeDebian();
  const root = join(dir, "fetched", "served");
  const found = find();
  expect(found).toEqual({
    command: join(root, "usr/bin/served"),
    env: { LD_LIBRARY_PATH: join(root, "usr/lib/x86_64-linux-gnu") },
  });
  expect(find()).toEqual(found);
  expect(await readFile(join(dir, "downloaded"), "utf8")).toBe("served\nlibfast2\n");
  expect(await readdir(join(root, "usr/lib/x86_64-linux-gnu"))).toEqual(["libfast2.deb.so", "served.deb.so"]);
  expect(await readdir(join(dir, "fetched"))).toEqual(["served"]);
});

test("without Debian's tools, or when they fail, it says so and leaves nothing behind", async () => {
  expect(find).toThrow("There is no apt-get on this machine");
  await script("apt-get", "echo 'E: Unable to locate package served' >&2; exit 100");
  expect(find).toThrow(/Unable to locate package served/);
  expect(await readdir(join(dir, "fetched"))).toEqual([]);
});
