import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:tls";
import { describe, expect, test } from "vitest";
import { awaitInvoice } from "../demo/awaitInvoice.ts";
import { openTenant, runPlan, type StackOf } from "./support.ts";

export const rotatesCertificates = (stackOf: StackOf): void => {
  /** The authorities in the bundle, and whether the one that signed what the gateway shows is the newest. */
  const look = async (): Promise<{ authorities: number; isSignedByNewest: boolean }> => {
    const { certificates, layout } = stackOf();
    const authorities = readFileSync(certificates.caFile, "utf8")
      .split(/(?<=-----END CERTIFICATE-----\n)/)
      .map((pem) => new X509Certificate(pem));
    const socket = connect({ port: layout.ports.gateway, host: "127.0.0.1", rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const leaf = socket.getPeerX509Certificate();
    socket.destroy();
    const newest = authorities.at(-1);
    return {
      authorities: authorities.length,
      isSignedByNewest: newest !== undefined && leaf?.verify(newest.publicKey) === true,
    };
  };

  describe("the authority is replaced while jobs run", () => {
    test("no service restarts, and a job that began before settles after", async () => {
      const stack = stackOf();
      const pids = (["gateway", "provider-sim-1", "aggregator-1"] as const).map(
        (name) => stack.part(name).pid,
      );
      const { credits } = await openTenant(stack);
      const early = await runPlan(credits);

      process.kill(stack.part("certificates").pid, "SIGUSR2");
      await expect
        .poll(look, { timeout: 60_000, interval: 500 })
        .toEqual({ authorities: 2, isSignedByNewest: true });

      const { job, costNano } = await runPlan(credits);
      for (const one of [early, { job, costNano }]) {
        await credits.close(one.job);
        await credits.settlement(one.job);
        expect((await awaitInvoice(credits, one.job)).totals.paidNano).toBe(one.costNano);
      }
      expect(
        (["gateway", "provider-sim-1", "aggregator-1"] as const).map((name) => stack.part(name).pid),
      ).toEqual(pids);
      await credits.shutdown();
    });
  });
};
