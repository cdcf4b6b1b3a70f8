export { type AppDeps, buildApp } from "./app.ts";
export { type AuditRecord, firstBroken, hashRecord } from "./audit/AuditRecord.ts";
export { defaultPolicy, type Policy, policySchema } from "./policy/Policy.ts";
export type { Task, TaskStatus } from "./tasks/Task.ts";
