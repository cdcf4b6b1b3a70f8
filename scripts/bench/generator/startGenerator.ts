import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { Hex } from "viem";
import type { Answer, Command } from "./messages.ts";
import type { OpenStreams } from "./openStreams.ts";
import type { Round, RoundPlan } from "./Round.ts";
import type { Target } from "./Target.ts";

/** The load generator's process, as the bench talks to it. */
export type Generator = {
  /** Gives the jobs that were locked for it. */
  open: (name: string, target: Target) => Promise<readonly Hex[]>;
  /** `mark` is called when the counted part begins, and when the last of it was answered. */
  run: (name: string, plan: RoundPlan, mark: () => void) => Promise<Round>;
  /** Opens so many streams, one count after the other; `opened` hears how they stand. */
  streams: (name: string, counts: readonly number[], opened: (streams: OpenStreams) => void) => Promise<void>;
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
    open: (name, target) => tell<readonly Hex[]>({ do: "open", name, target }, silent),
    run: (name, plan, mark) => tell<Round>({ do: "run", name, plan }, mark),
    streams: async (name, counts, opened) => {
      await tell({ do: "streams", name, counts }, (answer) => {
        if ("streams" in answer) opened(answer.streams);
      });
    },
    close: async () => {
      await tell({ do: "close" }, silent);
      process.off("exit", kill);
      child.disconnect();
    },
  };
};
