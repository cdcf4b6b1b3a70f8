// Preloaded into a process whose wall clock the harness moves: Date is off by what the file says, in milliseconds.
// Timers and performance.now() are monotonic and stay as they are, as they do when a real clock is set.
import { readFileSync, watchFile } from "node:fs";

const file = process.env.CLOCK_OFFSET_FILE;
let offsetMs = 0;

const read = () => {
  try {
    offsetMs = Number(readFileSync(file, "utf8")) || 0;
  } catch {
    offsetMs = 0;
  }
};

if (file !== undefined) {
  const RealDate = Date;
  globalThis.Date = class extends RealDate {
    constructor(...parts) {
      if (parts.length === 0) super(RealDate.now() + offsetMs);
      else super(...parts);
    }
    static now() {
      return RealDate.now() + offsetMs;
    }
  };
  read();
  watchFile(file, { interval: 200 }, read).unref();
}
