import pc from "picocolors";

/** Shows one line per step: what is being done, and then how long it took. */
export type Progress = <T>(label: string, step: () => Promise<T>) => Promise<T>;

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** On a terminal the line counts up while the step runs; in a log only its end is printed. */
export const showProgress: Progress = async (label, step) => {
  const startedAt = Date.now();
  const live = process.stdout.isTTY === true;
  const draw = (): void => {
    process.stdout.write(`\r\x1b[2K${pc.cyan("…")} ${label} ${pc.dim(seconds(Date.now() - startedAt))}`);
  };
  const timer = live ? setInterval(draw, 200) : undefined;
  if (live) draw();
  const end = (mark: string): void => {
    clearInterval(timer);
    process.stdout.write(
      `${live ? "\r\x1b[2K" : ""}${mark} ${label} ${pc.dim(seconds(Date.now() - startedAt))}\n`,
    );
  };
  try {
    const result = await step();
    end(pc.green("✓"));
    return result;
  } catch (error) {
    end(pc.red("✗"));
    throw error;
  }
};

/** For tests, where only the outcome counts. */
export const silentProgress: Progress = (_label, step) => step();
