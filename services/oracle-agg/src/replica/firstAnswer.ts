import { setTimeout as sleep } from "node:timers/promises";

/**
 * Asks one after the other: the next once the last one failed, or has not answered for `patienceMs`, so that one who hangs
 * holds nobody up. While some hang, those who failed are asked again, for they may have an answer by now. The first answer
 * counts.
 * @throws AggregateError with the last failure of each, in the order of the questions, when all have failed.
 */
export const firstAnswer = async <Answer>(
  questions: readonly (() => Promise<Answer>)[],
  patienceMs: number,
): Promise<Answer> => {
  const failures: unknown[] = [];
  const open = new Map<number, Promise<Answer>>();
  const given = new AbortController();
  const patience = (): Promise<false> => sleep(patienceMs, false, { signal: given.signal });
  const isAnswered = (): Promise<boolean> =>
    Promise.any(open.values()).then(
      () => true,
      () => false,
    );
  const ask = (place: number, question: () => Promise<Answer>): Promise<boolean> => {
    const answer = question();
    open.set(place, answer);
    return answer.then(
      () => true,
      (error: unknown) => {
        failures[place] = error;
        open.delete(place);
        return false;
      },
    );
  };
  try {
    do {
      for (const [place, question] of questions.entries()) {
        if (open.has(place)) continue;
        const asked = ask(place, question);
        if (await Promise.race([asked, isAnswered(), patience()])) return await Promise.any(open.values());
      }
      if (open.size > 0 && (await Promise.race([isAnswered(), patience()])))
        return await Promise.any(open.values());
    } while (open.size > 0);
    throw new AggregateError(failures, "Nobody has an answer.");
  } finally {
    given.abort();
  }
};
