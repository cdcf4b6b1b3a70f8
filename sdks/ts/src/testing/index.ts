export { type Certificate, createCertificate } from "./createCertificate.ts";
export {
  type TestModel,
  testDeployment,
  testDomains,
  testGatewayAddress,
  testModels,
  testPlan,
  testTariffSigner,
  testTenantKey,
  toTariffs,
} from "./fixtures.ts";
export { type Fault, type SeenRequest, startTestGateway, type TestGateway } from "./startTestGateway.ts";
export type { TestJob, TestJobs, TestReceipt } from "./TestJobs.ts";
