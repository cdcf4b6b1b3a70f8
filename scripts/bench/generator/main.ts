// The process that makes the load, so that making it does not disturb who measures. It is told what to do over IPC.
import { createGatewaySender } from "./gatewaySender.ts";
import type { Answer, Command } from "./messages.ts";
import { openStreams } from "./openStreams.ts";
import { createPlainSender } from "./plainSender.ts";
import { runRound } from "./runRound.ts";
import type { Sender } from "./Sender.ts";

const senders = new Map<string, Sender>();
const tell = (answer: Answer): void => {
  process.send?.(answer);
};

const senderOf = (name: string): Sender => {
  const sender = senders.get(name);
  if (sender === undefined) throw new Error(`${name} was not opened.`);
  return sender;
};

const obey = async (command: Command): Promise<unknown> => {
  switch (command.do) {
    case "open": {
      const { target } = command;
      const sender = target.kind === "plain" ? createPlainSender(target) : await createGatewaySender(target);
      senders.set(command.name, sender);
      return sender.jobIds;
    }
    case "run":
      return runRound(senderOf(command.name), command.plan, {
        measuring: () => tell({ mark: "measuring" }),
        measured: () => tell({ mark: "measured" }),
      });
    case "streams":
      await openStreams(senderOf(command.name), command.counts, (streams) =>
        tell({ mark: "opened", streams }),
      );
      return null;
    case "close":
      await Promise.all([...senders.values()].map((sender) => sender.close()));
      return null;
  }
};

process.on("message", (command: Command) => {
  obey(command).then(
    (result) => tell({ result }),
    (error: Error) => tell({ error: error.stack ?? error.message }),
  );
});
process.once("disconnect", () => process.exit(0));
