import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Verdict } from "./runAttacks.ts";
import { chatBody, type Scene } from "./Scene.ts";

/** Private keys, API keys and bearer tokens of the stack, each with the name of its file. */
const keysOf = ({ stack }: Scene): Map<string, string> => {
  const names = readdirSync(stack.layout.keysDir).filter((name) => /\.(key|token)$/.test(name));
  return new Map(
    names.map((name) => [
      name,
      readFileSync(join(stack.layout.keysDir, name), "utf8").trim().replace(/^0x/, ""),
    ]),
  );
};

/** A served call first, so that there was a prompt and an answer to leak. */
const serveOne = async (scene: Scene): Promise<string> => {
  const { honest, victim } = scene;
  const answer = await honest.send({ body: chatBody({ max_tokens: 40 }), token: victim.token });
  if (answer.status !== 200) throw new Error(`The honest call was refused: ${answer.text}`);
  const { choices } = JSON.parse(answer.text) as { choices: { message: { content: string } }[] };
  return choices[0]?.message.content ?? "";
};

/** Looks for what must never be logged in every log file of the stack. */
export const findSecrets = async (scene: Scene): Promise<Verdict[]> => {
  const answer = await serveOne(scene);
  const proof = scene.honest.lastProof.slice(-40);
  const secrets = new Map([
    ...keysOf(scene),
    ["the caller's prompt", "PROMPT-MARK"],
    ["the provider's answer", answer.slice(0, 24)],
    ["the token's signature", scene.victim.token.slice(-40)],
    ["the proof's signature", proof],
  ]);
  const { logsDir } = scene.stack.layout;
  const logs = readdirSync(logsDir).map((name) => ({
    name,
    text: readFileSync(join(logsDir, name), "utf8"),
  }));
  const leaks = [...secrets].flatMap(([name, secret]) =>
    logs.filter(({ text }) => text.includes(secret)).map((log) => `${name} is in ${log.name}`),
  );
  const outcome = { status: "closed", code: "" } as const;
  const attack = `${secrets.size} secrets looked for in ${logs.length} log files`;
  return [{ group: "Secrets in logs", attack, outcome, expected: outcome, problems: leaks }];
};
