/**
 * Values as CBOR, in the conventions of the protocol: an integer below 2^32 is an integer, any other number a double; a
 * bigint has eight bytes or tag 2 or 3; `Uint8Array` is tag 64, `Date` tag 1, `Set` tag 258, `Map` tag 259. Lengths are
 * definite. Reading is bounded in depth and count, and an object has each member once.
 */
import { invalidArgument } from "../errors.js";
import { Reader, Writer, malformed } from "./bytes.js";

/** Levels of nesting, in either direction. */
export const DEPTH_MAX = 64;
/** Values in one message. */
export const VALUES_MAX = 1 << 20;
/** Bytes of a big integer. */
const BIG_INTEGER_MAX = 1024;

const MAJOR = { unsigned: 0, negative: 0x20, bytes: 0x40, text: 0x60, array: 0x80, map: 0xa0, tag: 0xc0 } as const;
const TAG = { date: 1, positive: 2, negative: 3, uint8Array: 64, set: 258, map: 259 } as const;
const SIMPLE = {
  false: 0xf4,
  true: 0xf5,
  null: 0xf6,
  undefined: 0xf7,
  float16: 0xf9,
  float32: 0xfa,
  float64: 0xfb,
} as const;
const UINT64_END = 1n << 64n;

/** A value as CBOR. `path` names it in errors. */
export function encode(value: unknown, path = "args"): Uint8Array<ArrayBuffer> {
  const out = new Writer();
  write(out, value, path, 0);
  return out.finish();
}

/** Appends a value. */
export function write(out: Writer, value: unknown, path: string, depth: number): void {
  switch (typeof value) {
    case "string":
      return out.text(value, (length) => head(out, MAJOR.text, length));
    case "number":
      return number(out, value);
    case "boolean":
      return out.u8(value ? SIMPLE.true : SIMPLE.false);
    case "undefined":
      return out.u8(SIMPLE.undefined);
    case "bigint":
      return bigint(out, value);
    case "object":
      if (value === null) return out.u8(SIMPLE.null);
      if (depth >= DEPTH_MAX) throw invalidArgument(path, `at most ${DEPTH_MAX} levels of nesting`, value);
      return object(out, value, path, depth + 1);
    default:
      throw invalidArgument(path, "a value that can be sent", value);
  }
}

function object(out: Writer, value: object, path: string, depth: number): void {
  if (Array.isArray(value)) {
    head(out, MAJOR.array, value.length);
    for (let index = 0; index < value.length; index++) write(out, value[index], `${path}[${index}]`, depth);
  } else if (value instanceof Uint8Array) {
    head(out, MAJOR.tag, TAG.uint8Array);
    head(out, MAJOR.bytes, value.length);
    out.bytes(value);
  } else if (value instanceof ArrayBuffer) {
    head(out, MAJOR.bytes, value.byteLength);
    out.bytes(new Uint8Array(value));
  } else if (value instanceof Date) {
    head(out, MAJOR.tag, TAG.date);
    number(out, value.getTime() / 1000);
  } else if (value instanceof Set) {
    head(out, MAJOR.tag, TAG.set);
    head(out, MAJOR.array, value.size);
    for (const item of value) write(out, item, path, depth);
  } else if (value instanceof Map) {
    head(out, MAJOR.tag, TAG.map);
    head(out, MAJOR.map, value.size);
    for (const [key, item] of value) {
      write(out, key, path, depth);
      write(out, item, path, depth);
    }
  } else {
    members(out, sendable(value, path), path, depth);
  }
}

function members(out: Writer, value: object, path: string, depth: number): void {
  const entries = Object.entries(value);
  if (entries.length > 0xffff) head(out, MAJOR.map, entries.length);
  else {
    out.u8(MAJOR.map | 25);
    out.u16(entries.length);
  }
  for (const [name, member] of entries) {
    out.text(name, (length) => head(out, MAJOR.text, length));
    write(out, member, `${path}.${name}`, depth);
  }
}

/** An object whose members are what it is. */
export function sendable(value: object, path: string): object {
  const opaque =
    ArrayBuffer.isView(value) || value instanceof Promise || value instanceof RegExp || value instanceof WeakMap;
  if (opaque || typeof (value as { then?: unknown }).then === "function") {
    throw invalidArgument(path, "a value that can be sent", value);
  }
  return value;
}

function number(out: Writer, value: number): void {
  if (Number.isInteger(value) && value < 2 ** 32 && value > -(2 ** 32)) {
    // Negative zero becomes zero.
    if (value >= 0) head(out, MAJOR.unsigned, value);
    else head(out, MAJOR.negative, -1 - value);
  } else {
    out.u8(SIMPLE.float64);
    out.f64(value);
  }
}

function bigint(out: Writer, value: bigint): void {
  const [major, tag, magnitude] =
    value >= 0n ? [MAJOR.unsigned, TAG.positive, value] : [MAJOR.negative, TAG.negative, -1n - value];
  if (magnitude < UINT64_END) {
    out.u8(major | 27);
    return out.u64(magnitude);
  }
  const digits = magnitude.toString(16);
  const hex = digits.length % 2 === 0 ? digits : `0${digits}`;
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  head(out, MAJOR.tag, tag);
  head(out, MAJOR.bytes, bytes.length);
  out.bytes(bytes);
}

/** The head of an item with an argument below 2^32. */
function head(out: Writer, major: number, argument: number): void {
  if (argument < 24) out.u8(major | argument);
  else if (argument < 0x100) {
    out.u8(major | 24);
    out.u8(argument);
  } else if (argument < 0x10000) {
    out.u8(major | 25);
    out.u16(argument);
  } else {
    out.u8(major | 26);
    out.u32(argument);
  }
}

/** The value of one CBOR item and nothing behind it. */
export function decode(bytes: Uint8Array): unknown {
  return new Decoder(bytes).whole();
}

class Decoder {
  readonly #in: Reader;
  #values = 0;

  constructor(bytes: Uint8Array) {
    this.#in = new Reader(bytes);
  }

  whole(): unknown {
    const value = this.#item(0);
    this.#in.end();
    return value;
  }

  #item(depth: number): unknown {
    if (++this.#values > VALUES_MAX) throw malformed(`more than ${VALUES_MAX} values in a message`);
    if (depth > DEPTH_MAX) throw malformed(`a value deeper than ${DEPTH_MAX} levels`);
    const initial = this.#in.u8();
    const info = initial & 0x1f;
    switch (initial & 0xe0) {
      case MAJOR.unsigned:
        return info === 27 ? this.#in.u64() : this.#argument(info);
      case MAJOR.negative:
        return info === 27 ? -1n - this.#in.u64() : -1 - this.#argument(info);
      case MAJOR.bytes:
        return this.#in.view(this.#argument(info)).slice();
      case MAJOR.text:
        return this.#in.text(this.#argument(info));
      case MAJOR.array:
        return this.#array(this.#argument(info), depth);
      case MAJOR.map:
        return this.#object(this.#argument(info), depth);
      case MAJOR.tag:
        return this.#tagged(this.#argument(info), depth);
      default:
        return this.#simple(initial);
    }
  }

  #array(length: number, depth: number): unknown[] {
    this.#count(length, 1);
    const items: unknown[] = [];
    for (let index = 0; index < length; index++) items.push(this.#item(depth + 1));
    return items;
  }

  #object(length: number, depth: number): Record<string, unknown> {
    this.#count(length, 2);
    const object: Record<string, unknown> = {};
    for (let index = 0; index < length; index++) {
      const key = this.#item(depth + 1);
      if (typeof key !== "string" && typeof key !== "number") throw malformed("an object with a name that is no text");
      define(object, String(key), this.#item(depth + 1));
    }
    return object;
  }

  #map(length: number, depth: number): Map<unknown, unknown> {
    this.#count(length, 2);
    const map = new Map<unknown, unknown>();
    for (let index = 0; index < length; index++) {
      const key = this.#item(depth + 1);
      if (map.has(key)) throw malformed("a map with a key twice");
      map.set(key, this.#item(depth + 1));
    }
    return map;
  }

  #tagged(tag: number, depth: number): unknown {
    if (tag === TAG.map) {
      const initial = this.#in.u8();
      if ((initial & 0xe0) !== MAJOR.map) throw malformed("a map of another form");
      return this.#map(this.#argument(initial & 0x1f), depth);
    }
    const content = this.#item(depth + 1);
    if (tag === TAG.uint8Array && content instanceof Uint8Array) return content;
    if (tag === TAG.set && Array.isArray(content)) return new Set(content);
    if (tag === TAG.date && (typeof content === "number" || typeof content === "bigint"))
      return new Date(Number(content) * 1000);
    if ((tag === TAG.positive || tag === TAG.negative) && content instanceof Uint8Array) return big(content, tag);
    throw malformed("a value with a tag that the protocol does not have");
  }

  #simple(initial: number): unknown {
    switch (initial) {
      case SIMPLE.false:
        return false;
      case SIMPLE.true:
        return true;
      case SIMPLE.null:
        return null;
      case SIMPLE.undefined:
        return undefined;
      case SIMPLE.float16:
        return half(this.#in.u16());
      case SIMPLE.float32:
        return this.#in.f32();
      case SIMPLE.float64:
        return this.#in.f64();
      default:
        throw malformed("a simple value that the protocol does not have");
    }
  }

  /** The argument of a head; one of eight bytes is only of use to integers. */
  #argument(info: number): number {
    if (info < 24) return info;
    if (info === 24) return this.#in.u8();
    if (info === 25) return this.#in.u16();
    if (info === 26) return this.#in.u32();
    if (info === 27) {
      const long = this.#in.u64();
      if (long < 1n << 32n) return Number(long);
      throw malformed("a length beyond the message");
    }
    throw malformed("an item of indefinite length");
  }

  /** Refuses a count of items that the rest of the message cannot hold. */
  #count(length: number, each: number): void {
    if (length * each > this.#in.left) throw malformed("a count beyond the message");
  }
}

/** Adds a member, also one called `__proto__`, once. */
export function define(object: Record<string, unknown>, name: string, value: unknown): void {
  if (Object.hasOwn(object, name)) throw malformed("an object with a member twice");
  if (name === "__proto__")
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  else object[name] = value;
}

function big(bytes: Uint8Array, tag: number): bigint {
  if (bytes.length > BIG_INTEGER_MAX) throw malformed(`an integer of more than ${BIG_INTEGER_MAX} bytes`);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const magnitude = BigInt(`0x${hex || "0"}`);
  return tag === TAG.positive ? magnitude : -1n - magnitude;
}

/** A float of 16 bits. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
