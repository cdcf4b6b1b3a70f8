import { statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { startBlocks } from "../stack/chain.ts";
import type { PartName } from "../stack/layout.ts";
import type { ReplicaId } from "./Network.ts";
import { reorganise } from "./reorganise.ts";
import { replicasFromLeader, type Scene } from "./Scene.ts";

/**
 * What is promised while a fault lasts. `settles`: receipts made after it began are on chain before it ends, because t
 * replicas are connected. `stands still`: none of them is, because t replicas are not. `anything`: neither is promised.
 * That nothing is lost and nothing settles twice is promised always.
 */
export type Promised = "settles" | "stands still" | "anything";

export type Phase = {
  name: string;
  does: string;
  promised: Promised;
  /** How many times as long as a usual fault. */
  lasts: number;
  /** Brings the fault about; resolves with what ends it. */
  begin: (scene: Scene) => Promise<() => Promise<void>>;
};

const nameOf = (id: ReplicaId): PartName => `aggregator-${id}`;

const killing = async ({ stack }: Scene, ...names: PartName[]): Promise<() => Promise<void>> => {
  await Promise.all(names.map((name) => stack.kill(name)));
  return async () => {
    for (const name of names) await stack.restart(name);
  };
};

const pausing = async ({ stack }: Scene, name: PartName): Promise<() => Promise<void>> => {
  stack.part(name).signal("SIGSTOP");
  return async () => stack.part(name).signal("SIGCONT");
};

/** The leader stands with one other replica against two, or alone against three. */
const partitioned = async (
  { stack, network }: Scene,
  withLeader: number,
  how: "silent" | "refusing",
): Promise<() => Promise<void>> => {
  const order = await replicasFromLeader({ stack, network });
  network.partition([order.slice(0, withLeader), order.slice(withLeader)], { kind: how });
  return async () => network.heal();
};

const delayed = async ({ network }: Scene, delayMs: number): Promise<() => Promise<void>> => {
  network.setAll({ kind: "open", delayMs });
  return async () => network.heal();
};

/** Waits until anvil has saved its state again, and then for so long. */
const afterSaving = async ({ stack: { layout } }: Scene, waitMs: number): Promise<void> => {
  const savedAt = (): number => statSync(layout.chainStateFile).mtimeMs;
  const before = savedAt();
  for (const deadline = Date.now() + 30_000; savedAt() === before; await sleep(100))
    if (Date.now() > deadline) throw new Error("anvil does not save its state.");
  await sleep(waitMs);
};

const at = (order: readonly ReplicaId[], place: number): PartName => {
  const id = order[place];
  if (id === undefined) throw new Error(`No replica stands at place ${place}.`);
  return nameOf(id);
};

export const everyPhase: readonly Phase[] = [
  {
    name: "quiet",
    does: "nothing",
    promised: "settles",
    lasts: 1.5,
    begin: async () => async () => undefined,
  },
  {
    name: "leader-killed",
    does: "the leader of the window is killed (SIGKILL), and started again",
    promised: "settles",
    lasts: 1.25,
    begin: async (scene) => killing(scene, at(await replicasFromLeader(scene), 0)),
  },
  {
    name: "replica-killed",
    does: "another replica is killed, and started again",
    promised: "settles",
    lasts: 1.25,
    begin: async (scene) => killing(scene, at(await replicasFromLeader(scene), 2)),
  },
  {
    name: "two-killed",
    does: "two replicas are killed, the leader among them, and started again one after the other",
    promised: "stands still",
    lasts: 1.25,
    begin: async (scene) => {
      const order = await replicasFromLeader(scene);
      return killing(scene, at(order, 0), at(order, 1));
    },
  },
  {
    name: "leader-paused",
    does: "the leader's process is stopped (SIGSTOP) for longer than the leader time-out, and goes on",
    promised: "settles",
    lasts: 1.25,
    begin: async (scene) => pausing(scene, at(await replicasFromLeader(scene), 0)),
  },
  {
    name: "database-killed",
    does: "PostgreSQL, which has the databases of the gateway and of all replicas, is killed and started again",
    promised: "anything",
    lasts: 0.5,
    begin: (scene) => killing(scene, "postgres"),
  },
  {
    name: "chain-paused",
    does: "anvil's process is stopped, and goes on",
    promised: "stands still",
    lasts: 1,
    begin: (scene) => pausing(scene, "chain"),
  },
  {
    name: "chain-killed",
    does: "anvil is killed and started from the state it saved last: five seconds of blocks are gone, as in a reorganisation",
    promised: "anything",
    lasts: 0.5,
    begin: async (scene) => {
      // Killed as it saves, anvil would leave half a file; killed right after, it would lose no block.
      await afterSaving(scene, 5_000);
      const restart = await killing(scene, "chain");
      return async () => {
        await restart();
        await startBlocks(scene.stack.chain);
      };
    },
  },
  {
    name: "chain-reorganised",
    does: "after two batches, the blocks from the first of them on are replaced by empty ones, and their transactions forgotten",
    promised: "settles",
    lasts: 1.25,
    begin: async ({ stack }) => {
      await reorganise(stack);
      return async () => undefined;
    },
  },
  {
    name: "endpoint-silent",
    does: "the RPC endpoint that every replica asks first no longer answers; each knows a second one",
    promised: "settles",
    lasts: 1.25,
    begin: async ({ network }) => {
      network.setEndpoint({ kind: "silent" });
      return async () => network.heal();
    },
  },
  {
    name: "cut-2-2",
    does: "no packet passes between two replicas and the other two; what was sent arrives when the cut ends",
    promised: "stands still",
    lasts: 1.25,
    begin: (scene) => partitioned(scene, 2, "silent"),
  },
  {
    name: "cut-3-1",
    does: "connections between the leader and the other three are reset and refused",
    promised: "settles",
    lasts: 1.25,
    begin: (scene) => partitioned(scene, 1, "refusing"),
  },
  {
    name: "delay-100ms",
    does: "every link between replicas takes 100 ms each way",
    promised: "settles",
    lasts: 1.25,
    begin: (scene) => delayed(scene, 100),
  },
  {
    name: "delay-1s",
    does: "every link between replicas takes 1 s each way",
    promised: "anything",
    lasts: 2,
    begin: (scene) => delayed(scene, 1_000),
  },
  {
    name: "gateway-killed",
    does: "the gateway is killed, and started again",
    promised: "anything",
    lasts: 0.5,
    begin: (scene) => killing(scene, "gateway"),
  },
];

/** @throws Error that names a phase which does not exist. */
export const phasesOf = (names: readonly string[]): readonly Phase[] => {
  const unknown = names.find((name) => !everyPhase.some((phase) => phase.name === name));
  if (unknown !== undefined)
    throw new Error(
      `There is no phase ${unknown}; there are ${everyPhase.map(({ name }) => name).join(", ")}.`,
    );
  return names.length === 0 ? everyPhase : everyPhase.filter(({ name }) => names.includes(name));
};
