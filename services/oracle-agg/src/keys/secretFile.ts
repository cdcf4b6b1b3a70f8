import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";

/** Writes a file so that a crash leaves the old or the new content, never a mixture; mode 0600. */
export const writeSecretFile = (file: string, content: string): void => {
  const temporary = `${file}.tmp`;
  const descriptor = openSync(temporary, "w", 0o600);
  try {
    writeSync(descriptor, content);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
};

/** Reads a secret file, or null while it does not exist. Refuses a file that others can read. */
export const readSecretFile = (file: string): string | null => {
  if (!existsSync(file)) return null;
  if ((statSync(file).mode & 0o077) !== 0)
    throw new Error(`${file} must be readable by its owner only (0600).`);
  return readFileSync(file, "utf8");
};

/** Overwrites a secret file in place before it is unlinked. */
export const destroySecretFile = (file: string): void => {
  if (!existsSync(file)) return;
  const descriptor = openSync(file, "r+");
  try {
    writeSync(descriptor, Buffer.alloc(statSync(file).size), 0, undefined, 0);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  rmSync(file);
};
