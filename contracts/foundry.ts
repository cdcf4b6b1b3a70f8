// Prints the path of a native Foundry binary: `node --import tsx contracts/foundry.ts forge`.
import { type FoundryTool, foundryBinary } from "./foundryBinary.ts";

const tools: readonly string[] = ["forge", "anvil", "cast"] satisfies FoundryTool[];
const isTool = (name: string | undefined): name is FoundryTool => name !== undefined && tools.includes(name);

const [, , tool] = process.argv;
if (!isTool(tool)) throw new Error(`Name one of ${tools.join(", ")}.`);
process.stdout.write(`${foundryBinary(tool)}\n`);
