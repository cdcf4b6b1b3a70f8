/** Counts of one chat call; `promptTokens` includes the cached ones, as OpenAI counts them. */
export type ChatUsage = { promptTokens: number; cachedTokens: number; completionTokens: number };

/** The `usage` member of an OpenAI chat answer. */
export const usageJson = ({ promptTokens, cachedTokens, completionTokens }: ChatUsage) => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens,
  prompt_tokens_details: { cached_tokens: cachedTokens },
});
