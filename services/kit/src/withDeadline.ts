/** The work took longer than it was given. */
export class DeadlineError extends Error {
  constructor(readonly deadlineMs: number) {
    super(`No answer within ${deadlineMs} ms`);
    this.name = "DeadlineError";
  }
}

/**
 * Resolves or rejects as `work` does, or rejects with {@link DeadlineError}. The work itself is not cancelled.
 */
export const withDeadline = async <Result>(work: Promise<Result>, deadlineMs: number): Promise<Result> => {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new DeadlineError(deadlineMs)), deadlineMs);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
};
