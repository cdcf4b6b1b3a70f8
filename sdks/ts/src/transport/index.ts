/** What a client is made of, below its `fetch`: for programs that make many calls and count what each one costs. */
export { createGatewayCaller, type GatewayCaller } from "../call/createGatewayCaller.ts";
export { createHolderKeyring } from "../job/HolderKeyring.ts";
export { createJobSessions } from "../job/JobSessions.ts";
export { type Connection, openConnection } from "./Connection.ts";
export { createConnectionPool } from "./ConnectionPool.ts";
