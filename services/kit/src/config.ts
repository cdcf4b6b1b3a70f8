import { z } from "zod";

type Environment = Record<string, string | undefined>;

/** One or more environment variables are missing or invalid; the message lists each one and what to set. */
export class ConfigError extends Error {
  readonly problems: readonly { variable: string; problem: string }[];

  constructor(problems: readonly { variable: string; problem: string }[]) {
    const lines = problems.map(({ variable, problem }) => `  ${variable}: ${problem}`);
    super(
      `The configuration is incomplete or invalid. Set these environment variables:\n${lines.join("\n")}`,
    );
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/**
 * Parses the environment into a typed, frozen configuration.
 * An empty variable counts as missing. Describe a field with `.describe("what to set")` so that the error can say it.
 *
 * @throws {@link ConfigError} naming every variable that is missing or invalid, never showing its value.
 */
export const loadConfig = <Shape extends z.ZodRawShape>(
  shape: Shape,
  env: Environment = process.env,
): Readonly<z.output<z.ZodObject<Shape>>> => {
  const present = Object.fromEntries(
    Object.keys(shape)
      .map((name) => [name, env[name]] as const)
      .filter(([, value]) => value !== undefined && value !== ""),
  );
  const result = z.object(shape).safeParse(present);
  if (result.success) return Object.freeze(result.data);
  const problems = new Map<string, string>();
  for (const issue of result.error.issues) {
    const variable = String(issue.path[0] ?? "environment");
    if (problems.has(variable)) continue;
    const description = descriptionOf(shape[variable]);
    const what = variable in present ? `invalid (${issue.message})` : "missing";
    problems.set(variable, description === undefined ? what : `${what}; set it to ${description}`);
  }
  throw new ConfigError([...problems].map(([variable, problem]) => ({ variable, problem })));
};

const descriptionOf = (schema: Shape[string] | undefined): string | undefined => {
  for (let current: unknown = schema; current instanceof z.ZodType; current = innerOf(current)) {
    if (current.description !== undefined) return current.description;
  }
  return undefined;
};

type Shape = z.ZodRawShape;

const innerOf = (schema: z.ZodType): unknown => {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) return schema.unwrap();
  return schema instanceof z.ZodPipe ? schema.in : undefined;
};
