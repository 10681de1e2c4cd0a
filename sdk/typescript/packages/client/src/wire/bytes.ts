/**
 * Growing output and bounded input of bytes. Both sides of every binary format here use them; the reader checks each
 * length against what is left before it takes anything, so that a hostile length costs nothing.
 */
import { clientError } from "../errors.js";
import type { ActorError } from "../errors.js";

const encoder = new TextEncoder();
// A mark at the beginning is part of the text; what is not UTF-8 is refused.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes of a short text that are turned into characters one by one, which is faster than asking the decoder. */
const SHORT_TEXT = 24;

/** The error for bytes that are no message of the protocol. */
export function malformed(what: string): ActorError {
  return clientError("protocol", `the server sent ${what}`);
}

/** Collects bytes. */
export class Writer {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** What was written. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Big-endian, as CBOR has it. */
  u16(value: number): void {
    this.#reserve(2);
    this.#view.setUint16(this.#length, value);
    this.#length += 2;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value);
    this.#length += 4;
  }

  u64(value: bigint): void {
    this.#reserve(8);
    this.#view.setBigUint64(this.#length, value);
    this.#length += 8;
  }

  f64(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value);
    this.#length += 8;
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** The text in UTF-8 behind `head(length)`. */
  text(text: string, head: (length: number) => void): void {
    const bytes = encoder.encode(text);
    head(bytes.length);
    this.bytes(bytes);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Takes bytes from a message. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    // Plain bytes: slices of Node's Buffer, which is a subclass, are no copies.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes that are left. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** Refuses bytes behind the message. */
  end(): void {
    if (this.left > 0) throw malformed(`${this.left} bytes too many`);
  }

  u8(): number {
    return this.#view.getUint8(this.#step(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#step(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#step(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#step(8));
  }

  f32(): number {
    return this.#view.getFloat32(this.#step(4));
  }

  f64(): number {
    return this.#view.getFloat64(this.#step(8));
  }

  /** A view of the next bytes, valid as long as the message is. */
  view(length: number): Uint8Array {
    const start = this.#step(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** The next bytes as a text. */
  text(length: number): string {
    const bytes = this.view(length);
    if (length <= SHORT_TEXT && bytes.every((byte) => byte < 0x80)) return String.fromCharCode(...bytes);
    try {
      return decoder.decode(bytes);
    } catch {
      throw malformed("a text that is not UTF-8");
    }
  }

  #step(count: number): number {
    if (count > this.left) throw malformed("a message that ends too early");
    const start = this.#at;
    this.#at += count;
    return start;
  }
}
