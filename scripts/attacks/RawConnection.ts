import { once } from "node:events";
import { connect, type SecureVersion } from "node:tls";
import type { Outcome } from "./Attack.ts";

const ANSWER_MS = 3_000;

/** Writes bytes that no HTTP client would, over TLS, and reads the first status line that comes back. */
export const sendRaw = async (
  origin: string,
  ca: string,
  bytes: string,
  versions: { maxVersion?: SecureVersion } = {},
): Promise<Outcome> => {
  const { hostname, port } = new URL(origin);
  const socket = connect({
    host: hostname,
    port: Number(port),
    ca,
    ALPNProtocols: ["http/1.1"],
    ...versions,
  });
  let answer = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    answer += text;
  });
  const ended = Promise.race([once(socket, "close"), once(socket, "error")]).catch(() => undefined);
  try {
    await once(socket, "secureConnect");
    socket.write(bytes);
    socket.setTimeout(ANSWER_MS, () => socket.end());
    await ended;
  } catch {
    // A handshake that fails is an outcome: nothing was said.
  } finally {
    socket.destroy();
  }
  const statuses = [...answer.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status));
  // Two answers to what should be one request would be the smuggled one's; the worst of them counts.
  const status = statuses.find((each) => each < 400) ?? statuses[0];
  return status === undefined ? { status: "closed", code: "" } : { status, code: codeIn(answer) };
};

const codeIn = (answer: string): string => /"code":"([a-z_]+)"/.exec(answer)?.[1] ?? "";
