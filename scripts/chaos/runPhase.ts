import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { aggregatorIds } from "../stack/layout.ts";
import type { Phase, Promised } from "./phases.ts";
import { readFeedHead, readStatus, type Scene } from "./Scene.ts";

/** One phase as it went; times in Unix ms. */
export type PhaseRun = {
  name: string;
  does: string;
  promised: Promised;
  startedAtMs: number;
  /** From here on the fault was in force. */
  faultAtMs: number;
  /** Here its end began. */
  endingAtMs: number;
  /** Here every part was there again. */
  healedAtMs: number;
  endedAtMs: number;
  /** Whether every replica had applied everything that was in the feed when the fault ended. */
  caughtUp: boolean;
  loadAverage: number;
};

const CATCH_UP_MS = 120_000;
const POLL_MS = 500;

/** Whether every replica has seen all events up to `seq` settled; one that does not answer yet has not. */
const haveSettled = async ({ stack }: Scene, seq: bigint): Promise<boolean> => {
  const reached = await Promise.all(
    aggregatorIds.map((id) =>
      readStatus(stack, id).then(
        ({ feeds }) => feeds.length > 0 && feeds.every(({ committedSeq }) => BigInt(committedSeq) >= seq),
        () => false,
      ),
    ),
  );
  return reached.every(Boolean);
};

export const runPhase = async (scene: Scene, phase: Phase, usualSeconds: number): Promise<PhaseRun> => {
  const startedAtMs = Date.now();
  const end = await phase.begin(scene);
  const faultAtMs = Date.now();
  await sleep(phase.lasts * usualSeconds * 1_000);
  const endingAtMs = Date.now();
  await end();
  const healedAtMs = Date.now();
  const seq = await readFeedHead(scene.stack);
  let caughtUp = false;
  do {
    await sleep(POLL_MS);
    caughtUp = await haveSettled(scene, seq);
  } while (!caughtUp && Date.now() < healedAtMs + CATCH_UP_MS);
  const { name, does, promised } = phase;
  return {
    name,
    does,
    promised,
    startedAtMs,
    faultAtMs,
    endingAtMs,
    healedAtMs,
    endedAtMs: Date.now(),
    caughtUp,
    loadAverage: loadavg()[0] ?? Number.NaN,
  };
};
