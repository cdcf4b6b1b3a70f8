import { Nano } from "@tac/protocol";
import { describe, expect, test } from "vitest";
import { csvCell, linesToCsv } from "../src/invoice/linesToCsv.ts";
import { renderInvoice } from "../src/invoice/renderInvoice.ts";
import { taxNano, taxRateOf } from "../src/invoice/tax.ts";
import { signedInvoice } from "./invoiceJson.ts";
import { createWorld, tenant } from "./world.ts";

const world = createWorld();
const invoice = signedInvoice(world, 1_900);

describe("the text of an invoice", () => {
  const text = renderInvoice(invoice, { explorerUrl: "https://explorer.example/" });

  test("links each line to its transaction", () => {
    for (const { settlement } of invoice.lines)
      expect(text).toContain(`https://explorer.example/tx/${settlement.transactionHash}`);
    expect(text).not.toContain("example//tx");
  });

  test("without an explorer names the transactions", () => {
    expect(renderInvoice(invoice)).toContain(`tx ${invoice.lines[0]?.settlement.transactionHash}`);
  });

  test("shows amounts in credits to the nanocredit, who signed, and the tax", () => {
    for (const { amountNano } of invoice.lines) expect(text).toContain(Nano.format(amountNano));
    expect(text).toContain("signed by replicas 1, 2, 4 under key epoch 1");
    expect(text).toMatch(new RegExp(`Tax 19\\.00 % \\(DE\\).* ${Nano.format(invoice.totals.taxNano)}`));
    expect(text).toMatch(new RegExp(`TOTAL +${Nano.format(invoice.totals.totalNano)}`));
  });

  test("fits its width wherever no hash stands", () => {
    const wide = text.split("\n").filter((line) => line.length > 100 && !/0x[0-9a-f]{64}/.test(line));
    expect(wide).toEqual([]);
  });
});

describe("the CSV of an invoice", () => {
  test("has a header and a row of as many cells per line", () => {
    const [header, ...rows] = linesToCsv(invoice).trimEnd().split("\r\n");
    expect(rows).toHaveLength(invoice.lines.length);
    for (const row of rows) expect(row.split(",")).toHaveLength(header?.split(",").length ?? 0);
    expect(rows[0]).toContain(invoice.lines[0]?.amountNano.toString());
  });

  test.each([
    ["plain", "plain"],
    ['a "quoted", cell', '"a ""quoted"", cell"'],
    ["two\r\nlines", '"two\r\nlines"'],
    ["=HYPERLINK(1)", `"'=HYPERLINK(1)"`],
    ["+1", `"'+1"`],
    ["-1", `"'-1"`],
    ["@SUM(A1)", `"'@SUM(A1)"`],
    ["\tx", `"'\tx"`],
  ])("%j becomes %j", (value, cell) => {
    expect(csvCell(value)).toBe(cell);
  });
});

describe("tax", () => {
  test.each([
    [100n, 1_900, 19n],
    [1n, 5_000, 1n],
    [1n, 4_999, 0n],
    [3n, 5_000, 2n],
    [0n, 10_000, 0n],
    [(1n << 64n) - 1n, 10_000, (1n << 64n) - 1n],
  ])("of %i at %i basis points is %i, half rounded up", (amountNano, basisPoints, expected) => {
    expect(taxNano(amountNano, basisPoints)).toBe(expected);
  });

  test("is that of the tenant's country, and zero for a tenant without one", () => {
    const rules = { basisPointsOfCountry: { DE: 1_900 }, countryOfTenant: { [tenant]: "DE" } };
    expect(taxRateOf(tenant, rules)).toEqual({ country: "DE", basisPoints: 1_900 });
    expect(taxRateOf("0x0000000000000000000000000000000000000001", rules)).toEqual({
      country: null,
      basisPoints: 0,
    });
  });

  test("is on the whole invoice, once", () => {
    expect(invoice.totals.taxNano).toBe(taxNano(invoice.totals.paidNano, 1_900));
    expect(invoice.totals.totalNano).toBe(invoice.totals.paidNano + invoice.totals.taxNano);
  });
});
