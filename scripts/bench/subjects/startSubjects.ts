import type { Progress } from "../../stack/progress.ts";
import type { BenchStack } from "../benchStack.ts";
import type { Settings, SubjectName } from "../settings.ts";
import { startBudgetLitellm, startPlainLitellm } from "./litellm.ts";
import { startNginx } from "./nginx.ts";
import { startDirect, startGateway, startPlainGateway } from "./ours.ts";
import { startPortkey } from "./portkey.ts";
import type { Absent, Subject } from "./Subject.ts";
import type { Peers } from "./startPeer.ts";

type Start = (stack: BenchStack, peers: Peers, settings: Settings) => Promise<Subject>;

const starts: Record<SubjectName, Start> = {
  direct: startDirect,
  gateway: startGateway,
  "gateway-plain": startPlainGateway,
  nginx: startNginx,
  portkey: startPortkey,
  litellm: startPlainLitellm,
  "litellm-budget": startBudgetLitellm,
};

/** Ours must start; a peer that cannot be installed or started is named in the report, with the reason. */
const mustStart: readonly SubjectName[] = ["direct", "gateway", "gateway-plain"];

export const startSubjects = async (
  stack: BenchStack,
  peers: Peers,
  settings: Settings,
  progress: Progress,
): Promise<{ subjects: Subject[]; absent: Absent[] }> => {
  const subjects: Subject[] = [];
  const absent: Absent[] = [];
  for (const [name, start] of Object.entries(starts) as [SubjectName, Start][]) {
    if (name !== "direct" && !settings.only.includes(name)) continue;
    await progress(name, () => start(stack, peers, settings)).then(
      (subject) => subjects.push(subject),
      (error: Error) => {
        if (mustStart.includes(name)) throw error;
        absent.push({ name, reason: error.message.split("\n")[0] ?? "" });
      },
    );
  }
  return { subjects, absent };
};
