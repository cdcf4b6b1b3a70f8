import { describe, expect, test } from "vitest";
import { briefLine } from "./statusCommand.ts";

describe("one line of the status", () => {
  test("of a replica that runs names its epochs, its lag, and each it saw misbehave once", () => {
    const line = briefLine({
      replica: 1,
      state: "running",
      laneEpoch: 3,
      keyEpochs: [3, 4],
      receiptLagMs: 1_270,
      misbehaved: [
        { replica: 4, guilt: "equivocation" },
        { replica: 4, guilt: "equivocation" },
        { replica: 2, guilt: "bad_partial" },
      ],
    });
    expect(line).toBe(
      "replica 1 running, lane in epoch 3, shares of 3 4, lag 1270 ms, misbehaved: 4 (equivocation), 2 (bad_partial)",
    );
  });

  test("of one that lost its share says that it knows nothing else", () => {
    const line = briefLine({ replica: 2, state: "WaitingForKey", laneEpoch: null, keyEpochs: [] });
    expect(line).toBe(
      "replica 2 WaitingForKey, lane in epoch ?, shares of none, lag ? ms, misbehaved: nobody",
    );
  });

  test("of one that does not answer says why", () => {
    expect(briefLine({ replica: 3, state: "unreachable", problem: "connect ECONNREFUSED" })).toBe(
      "replica 3 unreachable: connect ECONNREFUSED",
    );
  });
});
