import { getCountrySpecifications, isValidIBAN } from "ibantools";
import { type CountryCode, findPhoneNumbersInText, isSupportedCountry } from "libphonenumber-js/max";

export type Redaction = "email" | "phone" | "card" | "iban";
export type Redacted = { text: string; counts: Record<Redaction, number> };

type Span = { start: number; end: number };
type Finder = (text: string) => Span[];

/**
 * Replaces personal data by what it was, such as `[EMAIL]`: e-mail addresses, phone numbers (also national ones of
 * `phoneCountry`), card numbers with a valid Luhn digit, and valid IBANs of every registered country.
 */
export function redact(text: string, phoneCountry: string): Redacted {
  const counts: Redacted["counts"] = { iban: 0, email: 0, card: 0, phone: 0 };
  const finders: [Redaction, Finder][] = [
    ["iban", findIbans],
    ["email", findEmails],
    ["card", findCards],
    ["phone", (rest) => findPhones(rest, phoneCountry)],
  ];
  let redacted = text;
  for (const [kind, find] of finders) {
    const spans = find(redacted);
    counts[kind] = spans.length;
    redacted = replaceSpans(redacted, spans, `[${kind.toUpperCase()}]`);
  }
  return { text: redacted, counts };
}

function replaceSpans(text: string, spans: readonly Span[], label: string): string {
  let result = "";
  let position = 0;
  for (const { start, end } of spans) {
    result += text.slice(position, start) + label;
    position = end;
  }
  return result + text.slice(position);
}

// The parts are bounded as in RFC 5321, which also bounds the work of the search.
const EMAIL = /[\p{L}\p{N}._%+'-]{1,64}@(?:[\p{L}\p{N}-]{1,63}\.){1,8}[\p{L}]{2,63}/gu;

function findEmails(text: string): Span[] {
  return [...text.matchAll(EMAIL)].map((match) => ({
    start: match.index,
    end: match.index + match[0].length,
  }));
}

const IBAN_START = /(?<![\p{L}\p{N}])[A-Za-z]{2}[0-9]{2}/gu;
const IBAN_SPECIFICATIONS = getCountrySpecifications();

function findIbans(text: string): Span[] {
  const spans: Span[] = [];
  for (const match of text.matchAll(IBAN_START)) {
    const length = IBAN_SPECIFICATIONS[match[0].slice(0, 2).toUpperCase()]?.chars;
    if (length === undefined || length === null || match.index < (spans.at(-1)?.end ?? 0)) continue;
    const candidate = takeAlphanumerics(text, match.index, length);
    if (candidate && isValidIBAN(candidate.value.toUpperCase())) {
      spans.push({ start: match.index, end: candidate.end });
    }
  }
  return spans;
}

/** An IBAN may be written in groups, but what follows it must not be taken for a part of it. */
function takeAlphanumerics(
  text: string,
  start: number,
  count: number,
): { value: string; end: number } | null {
  let value = "";
  for (let index = start; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (/[A-Za-z0-9]/.test(character)) value += character;
    else if (!/[ \u00a0-]/.test(character)) return null;
    if (value.length === count) return { value, end: index + 1 };
  }
  return null;
}

const DIGIT_RUN = /(?<![0-9])[0-9](?:[ \u00a0-]?[0-9])*/gu;
const CARD_MIN_DIGITS = 13;
const CARD_MAX_DIGITS = 19;

/** Every stretch of whole digit groups is tried, because a date or code may stand next to a card number. */
function findCards(text: string): Span[] {
  return [...text.matchAll(DIGIT_RUN)].flatMap((run) => {
    const groups = [...run[0].matchAll(/[0-9]+/g)].map((group) => ({
      digits: group[0],
      start: run.index + group.index,
      end: run.index + group.index + group[0].length,
    }));
    const spans: Span[] = [];
    let first = 0;
    while (first < groups.length) {
      const last = lastGroupOfCard(groups, first);
      const start = groups[first]?.start;
      const end = last === null ? undefined : groups[last]?.end;
      if (start !== undefined && end !== undefined) spans.push({ start, end });
      first = last === null ? first + 1 : last + 1;
    }
    return spans;
  });
}

function lastGroupOfCard(groups: readonly { digits: string }[], first: number): number | null {
  let digits = "";
  for (let last = first; last < groups.length && digits.length <= CARD_MAX_DIGITS; last += 1) {
    digits += groups[last]?.digits ?? "";
    const hasLength = digits.length >= CARD_MIN_DIGITS && digits.length <= CARD_MAX_DIGITS;
    if (hasLength && passesLuhn(digits)) return last;
  }
  return null;
}

/** ISO/IEC 7812-1 annex B. */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  [...digits].reverse().forEach((digit, index) => {
    const value = Number(digit) * (index % 2 === 0 ? 1 : 2);
    sum += value > 9 ? value - 9 : value;
  });
  return sum % 10 === 0;
}

function findPhones(text: string, phoneCountry: string): Span[] {
  const defaultCountry: CountryCode | undefined = isSupportedCountry(phoneCountry) ? phoneCountry : undefined;
  const found = findPhoneNumbersInText(text, defaultCountry === undefined ? {} : { defaultCountry });
  return found.map(({ startsAt, endsAt }) => ({ start: startsAt, end: endsAt }));
}
