import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { Answer, Command } from "./messages.ts";
import type { Round, RoundPlan } from "./Round.ts";
import type { Target } from "./Target.ts";

/** The load generator's process, as the bench talks to it. */
export type Generator = {
  open: (name: string, target: Target) => Promise<void>;
  /** `mark` is called when the counted part begins, and when the last of it was answered. */
  run: (name: string, plan: RoundPlan, mark: () => void) => Promise<Round>;
  /** Opens so many streams, one count after the other; `opened` hears how many are open. */
  streams: (name: string, counts: readonly number[], opened: (open: number) => void) => Promise<number>;
  close: () => Promise<void>;
};

export const startGenerator = (): Generator => {
  const child: ChildProcess = fork(join(import.meta.dirname, "main.ts"), [], {
    execArgv: ["--import", "tsx"],
    serialization: "advanced",
  });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);

  const tell = <Result>(command: Command, onMark: (answer: Answer & { mark: string }) => void) =>
    new Promise<Result>((resolve, reject) => {
      const done = (): void => {
        child.off("message", onMessage);
        child.off("exit", onExit);
      };
      const onExit = (): void => reject(new Error("The load generator ended."));
      const onMessage = (answer: Answer): void => {
        if ("mark" in answer) {
          onMark(answer);
          return;
        }
        done();
        if ("error" in answer) reject(new Error(answer.error));
        else resolve(answer.result as Result);
      };
      child.on("message", onMessage);
      child.once("exit", onExit);
      child.send(command);
    });
  const silent = (): void => undefined;

  return {
    open: async (name, target) => {
      await tell({ do: "open", name, target }, silent);
    },
    run: (name, plan, mark) => tell<Round>({ do: "run", name, plan }, mark),
    streams: (name, counts, opened) =>
      tell<number>({ do: "streams", name, counts }, (answer) => {
        if (answer.mark === "opened" && "opened" in answer) opened(answer.opened);
      }),
    close: async () => {
      await tell({ do: "close" }, silent);
      process.off("exit", kill);
      child.disconnect();
    },
  };
};
