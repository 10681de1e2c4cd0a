/** Primitives of the binary schema: a version of two bytes, then little-endian fields. */
import { Writer, malformed } from "./bytes.js";
import type { Reader } from "./bytes.js";
import { decode, encode } from "./cbor.js";
import { revive } from "./compat.js";

/**
 * The version that this client writes. The server answers in the same one. It is the newest whose values are native CBOR:
 * from 4 on, bytes travel as base64 within CBOR.
 */
export const VERSION = 3;
/** The newest version that is read. */
export const NEWEST = 4;
/** The first version whose values hold compat tags. */
const TAGGED = 4;
const UINT_BYTES_MAX = 10;

/** Begins a message. */
export function begin(): Writer {
  const out = new Writer();
  out.u8(VERSION);
  out.u8(0);
  return out;
}

export function writeUint(out: Writer, value: bigint): void {
  let rest = value;
  while (rest >= 0x80n) {
    out.u8(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  out.u8(Number(rest));
}

export function writeText(out: Writer, text: string): void {
  out.text(text, (length) => writeUint(out, BigInt(length)));
}

/** A value as a field of bytes. */
export function writeValue(out: Writer, value: unknown, path?: string): void {
  const bytes = encode(value, path);
  writeUint(out, BigInt(bytes.length));
  out.bytes(bytes);
}

/** An unsigned number of eight bytes, little-endian. */
export function writeU64(out: Writer, value: bigint): void {
  for (let shift = 0n; shift < 64n; shift += 8n) out.u8(Number((value >> shift) & 0xffn));
}

/** Reads the version and refuses one that is not known. */
export function readVersion(from: Reader): number {
  const version = from.u8() | (from.u8() << 8);
  if (version < 1 || version > NEWEST) throw malformed(`a message of version ${version}`);
  return version;
}

export function readUint(from: Reader): bigint {
  let value = 0n;
  for (let index = 0; index < UINT_BYTES_MAX; index++) {
    const byte = from.u8();
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) return value;
  }
  throw malformed("an integer of more than 10 bytes");
}

export function readLength(from: Reader): number {
  const length = readUint(from);
  if (length > BigInt(from.left)) throw malformed("a length beyond the message");
  return Number(length);
}

export function readText(from: Reader): string {
  return from.text(readLength(from));
}

/** A value in a field of bytes. */
export function readValue(from: Reader, version: number): unknown {
  const value = decode(from.view(readLength(from)));
  return version >= TAGGED ? revive(value) : value;
}

export function readOptional<T>(from: Reader, read: (from: Reader) => T): T | undefined {
  const present = from.u8();
  if (present > 1) throw malformed("an option that is neither there nor not");
  return present === 1 ? read(from) : undefined;
}
