import { describe, expect, test } from "vitest";
import { uriNamesOf } from "./certificateNames.ts";

describe("the URI names of a certificate", () => {
  test.each([
    ["URI:urn:tac:gateway:0xab, DNS:localhost, IP Address:127.0.0.1", ["urn:tac:gateway:0xab"]],
    [
      "DNS:localhost, URI:urn:tac:provider:1, URI:urn:tac:provider:2",
      ["urn:tac:provider:1", "urn:tac:provider:2"],
    ],
    ["DNS:urn.tac.provider", []],
    ["", []],
    [undefined, []],
  ])("%s", (text, names) => expect([...uriNamesOf(text)]).toEqual(names));

  test("that hold separators are one name, as Node quotes them", () => {
    const text = 'URI:"urn:x, URI:urn:tac:gateway:0xab, y", DNS:localhost';
    expect([...uriNamesOf(text)]).toEqual(["urn:x, URI:urn:tac:gateway:0xab, y"]);
  });
  test("are none when the text does not read as a list", () => {
    expect([...uriNamesOf('URI:urn:tac:gateway:0xab, URI:"unended')]).toEqual([]);
  });
});
