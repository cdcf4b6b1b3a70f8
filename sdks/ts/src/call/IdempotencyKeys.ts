/**
 * Keys of calls whose outcome the caller did not get to see. A client library on top (the official OpenAI one)
 * repeats a failed call by itself; the repeat must carry the key of the first, or it could be charged twice.
 */
export type IdempotencyKeys = {
  keyFor(fingerprint: string, isRepeat: boolean): string;
  succeeded(fingerprint: string, key: string): void;
};

const MAX_REMEMBERED = 1024;

export function createIdempotencyKeys(newKey: () => string): IdempotencyKeys {
  const unanswered = new Map<string, string>();
  return {
    keyFor(fingerprint, isRepeat) {
      const key = (isRepeat ? unanswered.get(fingerprint) : undefined) ?? newKey();
      const oldest = unanswered.size >= MAX_REMEMBERED ? unanswered.keys().next() : undefined;
      if (oldest?.value !== undefined) unanswered.delete(oldest.value);
      unanswered.set(fingerprint, key);
      return key;
    },
    succeeded(fingerprint, key) {
      if (unanswered.get(fingerprint) === key) unanswered.delete(fingerprint);
    },
  };
}
