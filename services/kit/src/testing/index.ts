export { findDebianProgram, type Program } from "./debianProgram.ts";
export { deployContracts } from "./deployContracts.ts";
export { depositForTenant } from "./depositForTenant.ts";
export { freePort } from "./freePort.ts";
export { startTestChain, type TestChain } from "./testChain.ts";
export { startTestDatabase, type TestDatabase } from "./testDatabase.ts";
export { startTestPostgres, type TestPostgres } from "./testPostgres.ts";
export { canStartRedis, sharedRedisUrl, startTestRedis, type TestRedis } from "./testRedis.ts";
