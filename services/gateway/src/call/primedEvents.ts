/**
 * Pulls the first event, so that a failure before any delivery is still an HTTP error and not a broken stream.
 * `finished` is called when the events have ended, also when a caller who hung up never asked for one: a generator
 * that was not begun would skip its own clean-up, and leave the call open for ever.
 */
export async function primedEvents(
  events: AsyncGenerator<Buffer, void, undefined>,
  finished: () => void,
): Promise<AsyncIterableIterator<Buffer>> {
  let first: IteratorResult<Buffer, void> | null = await events.next();

  const pull = async (): Promise<IteratorResult<Buffer, void>> => {
    const result = first ?? (await events.next());
    first = null;
    return result;
  };

  const rest: AsyncIterableIterator<Buffer> = {
    next: async () => {
      const result = await pull().catch((error: unknown) => {
        finished();
        throw error;
      });
      if (result.done) finished();
      return result;
    },
    return: async () => {
      try {
        return await events.return(undefined);
      } finally {
        finished();
      }
    },
    [Symbol.asyncIterator]: () => rest,
  };
  return rest;
}
