// Base64 by hand, against that of Node.js.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBase64, toBase64, toBase64Url } from "../dist/wire/base64.js";

test("bytes of every length and value", () => {
  for (let length = 0; length < 300; length++) {
    const bytes = Uint8Array.from({ length }, (_, index) => (index * 37 + length) & 255);
    const text = Buffer.from(bytes).toString("base64");
    assert.equal(toBase64(bytes), text);
    assert.equal(toBase64Url(bytes), Buffer.from(bytes).toString("base64url"));
    assert.deepEqual(fromBase64(text), bytes);
  }
});

test("what is no base64", () => {
  for (const text of ["a", "ab", "abc", "ab=c", "a===", "====", "=", "ab-_", "ab\u0100d", "ab d", "abcdab=c"]) {
    assert.equal(fromBase64(text), undefined, text);
  }
});
