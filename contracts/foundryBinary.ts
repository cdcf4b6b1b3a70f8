import { createRequire } from "node:module";

export type FoundryTool = "forge" | "anvil" | "cast";

/**
 * Path of the native binary of a Foundry tool. The launchers of the npm packages are passed by: they always exit with
 * 0, so a failing test or deployment would go unnoticed, and ending them leaves the binary running.
 */
export const foundryBinary = (tool: FoundryTool): string => {
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const suffix = process.platform === "win32" ? ".exe" : "";
  const launcher = createRequire(import.meta.url).resolve(`@foundry-rs/${tool}/package.json`);
  return createRequire(launcher).resolve(
    `@foundry-rs/${tool}-${process.platform}-${architecture}/bin/${tool}${suffix}`,
  );
};
