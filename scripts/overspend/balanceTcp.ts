import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A balancer of layer 4: it passes bytes on and ends no TLS, so that proofs stay bound to the caller's connection. */
export type TcpBalancer = { close: () => void };

/** Opens a connection to the first port, from `start` on, that takes one; null when none does. */
const connectToOne = async (ports: readonly number[], start: number): Promise<Socket | null> => {
  for (let index = 0; index < ports.length; index += 1) {
    const socket = connect({ host: "127.0.0.1", port: ports[(start + index) % ports.length] ?? 0 });
    const isOpen = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    if (isOpen) return socket;
    socket.destroy();
  }
  return null;
};

const join = (caller: Socket, target: Socket): void => {
  for (const [from, to] of [
    [caller, target],
    [target, caller],
  ] as const) {
    from.on("error", () => to.destroy());
    from.on("close", () => to.destroy());
    from.pipe(to);
  }
};

/** Listens on `port` and gives each connection to the next of `ports` in turn that is up. */
export const balanceTcp = async (port: number, ports: readonly number[]): Promise<TcpBalancer> => {
  const open = new Set<Socket>();
  let next = 0;
  const server = createServer(async (caller) => {
    open.add(caller.on("close", () => open.delete(caller)).on("error", () => caller.destroy()));
    next += 1;
    const target = await connectToOne(ports, next);
    if (target === null) caller.destroy();
    else join(caller, target);
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
};
