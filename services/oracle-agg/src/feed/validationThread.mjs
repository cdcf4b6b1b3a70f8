// A thread does not inherit the loader of its process (Node 20), so it sets up its own before it loads TypeScript.
import { register } from "tsx/esm/api";

register();
await import("./validationWorker.ts");
