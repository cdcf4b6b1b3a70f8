import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { passesLuhn, redact } from "../src/safety/redact.ts";

const clean = (text: string) => redact(text, "US").text;

describe("redact", () => {
  it.each([
    ["write to jane.doe+tag@example.co.uk today", "write to [EMAIL] today"],
    ["jörg@bücher.example, thanks", "[EMAIL], thanks"],
    ["call +44 20 7946 0958 now", "call [PHONE] now"],
    ["call (212) 736-5000 now", "call [PHONE] now"],
    ["card 4111 1111 1111 1111 exp 12/29", "card [CARD] exp 12/29"],
    ["card 4111-1111-1111-1111 2026", "card [CARD] 2026"],
    ["amex 378282246310005.", "amex [CARD]."],
    ["IBAN DE89 3704 0044 0532 0130 00 and more", "IBAN [IBAN] and more"],
    ["gb29nwbk60161331926819", "[IBAN]"],
    ["NL91ABNA0417164300/FR1420041010050500013M02606", "[IBAN]/[IBAN]"],
  ])("%s", (text, expected) => {
    expect(clean(text)).toBe(expected);
  });

  it("leaves what only looks like personal data", () => {
    const text = "order 4111 1111 1111 1112, part DE00 3704 0044 0532 0130 00, ratio 3@4, version 1.2.3";
    expect(clean(text)).toBe(text);
  });

  it("counts what it found", () => {
    const { counts } = redact("a@b.example c@d.example 4111111111111111", "US");
    expect(counts).toEqual({ email: 2, card: 1, iban: 0, phone: 0 });
  });

  it("finds a card number with a valid Luhn digit wherever it stands", () => {
    const cardNumber = fc.stringMatching(/^4[0-9]{14}$/).map((digits) => {
      const check = [..."0123456789"].find((digit) => passesLuhn(digits + digit));
      return `${digits}${check}`;
    });
    const words = fc.stringMatching(/^[a-z ]{0,20}$/);
    fc.assert(
      fc.property(words, cardNumber, words, (before, card, after) => {
        expect(clean(`${before} ${card} ${after}`)).not.toContain(card);
      }),
    );
  });

  it("is done after one pass, and never hangs on a long text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(clean(clean(text))).toBe(clean(text));
      }),
    );
    const startedMs = Date.now();
    clean("a".repeat(100_000));
    clean("1 ".repeat(50_000));
    clean(`${"x.".repeat(50_000)}@`);
    expect(Date.now() - startedMs).toBeLessThan(20_000);
  });
});
