/** Keys: one or more texts that name an actor among those of a definition. */
import { clientError, invalidArgument } from "./errors.js";

/** Bytes of one part, and of the whole as it is written. */
const PART_MAX = 128;
const KEY_MAX = 1024;

const encoder = new TextEncoder();

/** One text, or several. */
export type Key = string | string[];

/** The key as it is written in the protocol: parts joined by slashes. */
export function writeKey(key: Key | undefined): string {
  const parts: unknown[] = key === undefined ? [] : Array.isArray(key) ? key : [key];
  const written = parts.map((part, index) => {
    if (typeof part !== "string") throw invalidArgument(`key[${index}]`, "a text", part);
    const bytes = encoder.encode(part).length;
    if (bytes > PART_MAX) throw tooLong(`key[${index}]`, PART_MAX, bytes);
    return part === "" ? "\\0" : part.replaceAll("\\", "\\\\").replaceAll("/", "\\/");
  });
  const text = written.length === 0 ? "/" : written.join("/");
  const bytes = encoder.encode(text).length;
  if (bytes > KEY_MAX) throw tooLong("key", KEY_MAX, bytes);
  return text;
}

function tooLong(path: string, maximum: number, observed: number): Error {
  const expected = `at most ${maximum} bytes`;
  return clientError("invalid_argument", `${path}: expected ${expected}, received ${observed}`, {
    path,
    expected,
    received: observed,
  });
}
