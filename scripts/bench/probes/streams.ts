import type { OpenStreams } from "../generator/openStreams.ts";
import type { Generator } from "../generator/startGenerator.ts";
import { usageOf } from "../measure/processTree.ts";
import type { SubjectName } from "../settings.ts";
import type { Subject } from "../subjects/Subject.ts";

/** Memory of a subject's processes with streams open. */
export type StreamsMeasure = {
  subject: SubjectName;
  idleBytes: number;
  /** `open` is what was really open, `wanted` what was asked for. */
  points: (OpenStreams & { wanted: number; residentBytes: number })[];
};

const counts = [100, 1_000];

/** Opens a hundred and then a thousand slow streams through a subject. */
export const probeStreams = async (
  generator: Generator,
  { name, pids }: Subject,
): Promise<StreamsMeasure> => {
  const idleBytes = usageOf(pids).residentBytes;
  const points: StreamsMeasure["points"] = [];
  await generator.streams(name, counts, (streams) => {
    const wanted = counts[points.length] ?? 0;
    points.push({ ...streams, wanted, residentBytes: usageOf(pids).residentBytes });
  });
  return { subject: name, idleBytes, points };
};
