/**
 * The simulator's tokeniser: up to four characters with the blanks before them. The same text always counts the same,
 * and a token is at least one byte, so a body's bytes bound its tokens. Joined, the tokens give the text back.
 */
export const tokenise = (text: string): string[] => text.match(/\s*\S{1,4}|\s+$/gu) ?? [];

export const countTokens = (text: string): number => tokenise(text).length;
