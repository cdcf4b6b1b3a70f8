import { readFile } from "node:fs/promises";
import { z } from "zod";

/**
 * Reads a JSON file and parses it with `schema`.
 * @throws Error naming the file, and the field when its content is not what was expected.
 */
export const loadJsonFile = async <Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): Promise<z.output<Schema>> => {
  let document: unknown;
  try {
    document = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? "is not JSON" : "cannot be read";
    throw new Error(`The file ${path} ${reason}`, { cause });
  }
  const result = schema.safeParse(document);
  if (result.success) return result.data;
  throw new Error(`The file ${path} is not as expected: ${z.prettifyError(result.error)}`);
};
