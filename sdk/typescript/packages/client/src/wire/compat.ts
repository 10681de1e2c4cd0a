/**
 * Compat tags: arrays like `["$Uint8Array", "CQg="]` that stand for what JSON cannot hold. Version 4 of the binary schema
 * uses them within CBOR, too. An array that looks like a tag and is none stays as it is; one whose first item begins with
 * `$$` loses one `$`.
 */
import { invalidArgument } from "../errors.js";
import { malformed } from "./bytes.js";
import { fromBase64, toBase64 } from "./base64.js";
import { DEPTH_MAX, VALUES_MAX, define, sendable } from "./cbor.js";

/** Decimal digits of a big integer that are read, those of 1024 bytes. */
const DIGITS_MAX = 2467;

/** A value that `JSON.stringify` writes as the protocol wants it. `path` names it in errors. */
export function toTags(value: unknown, path = "args", depth = 0): unknown {
  switch (typeof value) {
    case "bigint":
      return ["$BigInt", value.toString()];
    case "function":
    case "symbol":
      throw invalidArgument(path, "a value that can be sent", value);
    case "object":
      if (value === null) return value;
      if (depth >= DEPTH_MAX) throw invalidArgument(path, `at most ${DEPTH_MAX} levels of nesting`, value);
      return objectToTags(value, path, depth + 1);
    default:
      return value;
  }
}

function objectToTags(value: object, path: string, depth: number): unknown {
  if (Array.isArray(value)) {
    const items = Array.from(value, (item, index) => toTags(item, `${path}[${index}]`, depth));
    const [first] = items;
    if (items.length === 2 && typeof value[0] === "string" && value[0].startsWith("$")) items[0] = `$${String(first)}`;
    return items;
  }
  if (value instanceof Uint8Array) return ["$Uint8Array", toBase64(value)];
  if (value instanceof ArrayBuffer) return ["$ArrayBuffer", toBase64(new Uint8Array(value))];
  if (value instanceof Date) return value.toJSON();
  if (value instanceof Set) return ["$Set", Array.from(value, (item) => toTags(item, path, depth))];
  if (value instanceof Map) throw invalidArgument(path, "no Map in the encoding json", value);
  const object: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(sendable(value, path))) {
    define(object, name, toTags(member, `${path}.${name}`, depth));
  }
  return object;
}

/** A received value, with the tags within it made what they stand for. Changes it in place. */
export function revive(value: unknown): unknown {
  return new Reviver().value(value, 0);
}

class Reviver {
  #values = 0;

  value(value: unknown, depth: number): unknown {
    if (++this.#values > VALUES_MAX) throw malformed(`more than ${VALUES_MAX} values in a message`);
    if (typeof value !== "object" || value === null) return value;
    if (depth > DEPTH_MAX) throw malformed(`a value deeper than ${DEPTH_MAX} levels`);
    if (Array.isArray(value)) {
      const [tag, content] = value;
      // What a set has is no array that could be a tag itself.
      const isSet = value.length === 2 && tag === "$Set" && Array.isArray(content);
      const items: unknown[] = isSet ? content : value;
      const level = isSet ? depth + 2 : depth + 1;
      for (let index = 0; index < items.length; index++) items[index] = this.value(items[index], level);
      return tagged(value);
    }
    if (value instanceof Map)
      return new Map(Array.from(value, ([key, item]) => [this.value(key, depth + 1), this.value(item, depth + 1)]));
    if (value instanceof Set) return new Set(Array.from(value, (item) => this.value(item, depth + 1)));
    if (isPlain(value)) this.#members(value, depth);
    return value;
  }

  #members(object: Record<string, unknown>, depth: number): void {
    for (const name of Object.keys(object)) {
      const before = Object.getOwnPropertyDescriptor(object, name)?.value as unknown;
      const after = this.value(before, depth + 1);
      if (after !== before) {
        Object.defineProperty(object, name, { value: after, enumerable: true, configurable: true, writable: true });
      }
    }
  }
}

function isPlain(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function tagged(items: unknown[]): unknown {
  const [tag, content] = items;
  if (items.length !== 2 || typeof tag !== "string") return items;
  if (tag.startsWith("$$")) {
    items[0] = tag.slice(1);
    return items;
  }
  if (tag === "$Undefined") return undefined;
  if (tag === "$Set" && Array.isArray(content)) return new Set(content);
  if (typeof content !== "string") return items;
  if (tag === "$BigInt" && /^-?[0-9]+$/.test(content) && content.length <= DIGITS_MAX + 1) return BigInt(content);
  if (tag === "$Uint8Array") return fromBase64(content) ?? items;
  if (tag === "$ArrayBuffer") return fromBase64(content)?.buffer ?? items;
  return items;
}
