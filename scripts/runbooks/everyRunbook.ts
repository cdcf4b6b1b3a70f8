import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Link, open } from "../chaos/Link.ts";
import { aggregatorIds } from "../stack/layout.ts";
import type { Stack } from "../stack/Stack.ts";
import { urlOf } from "../stack/urlOf.ts";
import { doubtAbout, equivocate } from "./equivocate.ts";
import { startNewNode, startWithoutShare } from "./newNode.ts";
import type { Runbook, Scene } from "./Runbook.ts";
import { misdeedsSeenBy, type ReplicaId, readLane, statusOf, untilMetrics, untilSound } from "./replicas.ts";

const restartWith = async ({ restart }: Stack, rpcUrls: readonly string[]): Promise<void> => {
  for (const id of aggregatorIds) await restart(`aggregator-${id}`, { RPC_URLS: rpcUrls.join(",") });
};

const isFirst = (value: 0 | 1): RegExp =>
  new RegExp(`^rpc_endpoint_up\\{[^}]*place="0"[^}]*\\} ${value}$`, "m");

/** All endpoints fail, then one of two, then none. */
const rpcDown: Runbook = {
  name: "RPC endpoint down",
  blocks: ["rpc"],
  run: async (scene) => {
    const { stack, block, act } = scene;
    const link = await Link.listen(stack.layout.ports.chain);
    const cut = `http://127.0.0.1:${link.port}`;
    const { keyEpoch } = await readLane(stack);
    try {
      await act("aggregators have one endpoint, and it dies", async () => {
        await restartWith(stack, [cut]);
        link.set({ kind: "refusing" });
      });
      await untilMetrics(scene, "every aggregator says its endpoint is down", aggregatorIds, isFirst(0));
      await block("rpc", { says: [isFirst(0), /^loop_errors_total\{[^}]*loop="chain"[^}]*\} [1-9]/m] });
      await act("a working one behind the dead one, one replica after the other", () =>
        restartWith(stack, [cut, urlOf(stack.layout, "chain")]),
      );
      await untilMetrics(scene, "the first endpoint is still down", aggregatorIds, isFirst(0));
      await untilSound(scene, keyEpoch);
      link.set(open);
      await untilMetrics(scene, "the first endpoint answers again", aggregatorIds, isFirst(1));
      await block("rpc", { says: [isFirst(1)] });
    } finally {
      await act("aggregators have the chain's own endpoint again", () =>
        restartWith(stack, [urlOf(stack.layout, "chain")]),
      );
      await link.close();
    }
  },
};

/** Runs the blocks that bring a key on chain, and waits until the lane has its next epoch. */
const changeKey = async (scene: Scene, blocks: readonly string[], keepsGroupKey: boolean): Promise<void> => {
  const { stack, block } = scene;
  const before = await readLane(stack);
  const keyEpoch = before.keyEpoch + 1;
  for (const name of blocks) await block(name);
  await untilSound(scene, keyEpoch);
  const { keyHash } = await readLane(stack);
  if ((keyHash === before.keyHash) !== keepsGroupKey)
    throw new Error(`the group key ${keepsGroupKey ? "changed" : "stayed the same"}`);
};

const allRun = { says: aggregatorIds.map((id) => new RegExp(`^replica ${id} running`, "m")) };

const rotation: Runbook = {
  name: "Rotating the aggregators' key",
  blocks: ["rotate", "rotated"],
  run: async (scene) => {
    await changeKey(scene, ["rotate"], false);
    await scene.block("rotated", allRun);
  },
};

const resharing: Runbook = {
  name: "Resharing",
  blocks: ["same-set", "reshare", "rotated", "transcript"],
  run: async (scene) => {
    await changeKey(scene, ["same-set", "reshare"], true);
    await scene.block("rotated", allRun);
    await scene.block("transcript", { says: [/ finished $/m, / received round1 from 2$/m] });
  },
};

const lostShare: Runbook = {
  name: "A share is lost",
  blocks: ["look", "same-set", "reshare"],
  run: async (scene) => {
    const { stack, block, act, until } = scene;
    const { healthy } = await act("replica 2 loses its share", async () => {
      await stack.kill("aggregator-2");
      const shares = readdirSync(stack.layout.keysDir).filter((name) =>
        /^aggregator-2\.share\.epoch-/.test(name),
      );
      if (shares.length === 0) throw new Error("replica 2 had no share to lose");
      for (const name of shares) rmSync(join(stack.layout.keysDir, name));
      return startWithoutShare(stack, 2);
    });
    await untilWaiting(scene, 2);
    await block("look", { code: 1, says: [/^replica 2 WaitingForKey/m] });
    await until("three of four settle", async () => {
      await scene.traffic.settlesNow();
      return null;
    });
    await changeKey(scene, ["same-set", "reshare"], true);
    await healthy;
    await block("look", allRun);
  },
};

const untilWaiting = ({ stack, until }: Scene, id: ReplicaId): Promise<void> =>
  until(`replica ${id} waits for a key`, async () => {
    const { state } = await statusOf(stack, id).catch((error: Error) => ({ state: error.message }));
    return state === "WaitingForKey" ? null : `replica ${id}: ${state}`;
  });

const liar = 4;
const honest = aggregatorIds.filter((id) => id !== liar);

const equivocation: Runbook = {
  name: "A replica equivocates",
  blocks: ["misdeeds", "replace", "reshare", "adopt", "look"],
  run: async (scene) => {
    const { stack, traffic, block, act } = scene;
    const { configDir, keysDir } = stack.layout;
    const nextSetFile = join(configDir, "aggregators.next.json");
    await stack.kill(`aggregator-${liar}`);
    const votes = await act("replica 4 proposes two batches at once, and is named", () =>
      equivocate(stack, liar),
    );
    const doubt = doubtAbout(stack, liar, votes);
    if (doubt !== null) throw new Error(doubt);
    await block("look", { code: 1, says: [/misbehaved: 4 \(equivocation\)$/m] });
    await block("misdeeds", { says: [/"replica":4,"guilt":"equivocation"/, /^replica 4 does not answer$/m] });
    const known = await misdeedsSeenBy(stack, honest);
    await block("replace");
    const { healthy } = await act("a new node starts in its place", () =>
      startNewNode(stack, liar, { nodeKeyFile: join(keysDir, "aggregator-4.new.node.json"), nextSetFile }),
    );
    await act("the only gateway gets the new set, between two jobs", () =>
      traffic.pauseWhile(() => stack.restart("gateway", { AGGREGATORS_FILE: nextSetFile })),
    );
    await untilWaiting(scene, liar);
    await changeKey(scene, ["reshare"], true);
    await healthy;
    await block("adopt");
    await block("look", allRun);
    if (JSON.stringify(await misdeedsSeenBy(stack, honest)) !== JSON.stringify(known))
      throw new Error("misdeeds were added after the liar was stopped");
  },
};

const others: Runbook = {
  name: "Revocations, compromise, errors",
  blocks: ["revocations", "compromise", "errors"],
  run: async ({ traffic, block, until }) => {
    await block("revocations", { says: [/"headSeq"/] });
    // The guardian's pause stops locks, so nobody may begin a job meanwhile.
    await traffic.pauseWhile(() => block("compromise", { says: [/^true$/m, /^false$/m] }));
    await until("a new job settles", async () => {
      await traffic.settlesNow();
      return null;
    });
    await block("errors", { says: [/"status":"ok"/] });
  },
};

/** In this order each begins with a sound stack. */
export const everyRunbook: readonly Runbook[] = [
  rpcDown,
  rotation,
  resharing,
  lostShare,
  equivocation,
  others,
];
