/** Standard base64, with what the platform has, or by hand. */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const CODES = new Uint8Array(128).fill(64);
for (let index = 0; index < 64; index++) CODES[ALPHABET.charCodeAt(index)] = index;
const CHARACTERS = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0));
const PADDING = 0x3d;
const ascii = new TextDecoder("latin1");

interface Native {
  toBase64?: () => string;
}

/** Bytes as base64, padded. */
export function toBase64(bytes: Uint8Array): string {
  const native = (bytes as Native).toBase64;
  if (native) return native.call(bytes);
  const characters = new Uint8Array(Math.ceil(bytes.length / 3) * 4).fill(PADDING);
  const character = (code: number): number => CHARACTERS[code & 63] ?? PADDING;
  let to = 0;
  for (let from = 0; from < bytes.length; from += 3) {
    const left = bytes.length - from;
    const group = ((bytes[from] ?? 0) << 16) | ((bytes[from + 1] ?? 0) << 8) | (bytes[from + 2] ?? 0);
    characters[to] = character(group >> 18);
    characters[to + 1] = character(group >> 12);
    if (left > 1) characters[to + 2] = character(group >> 6);
    if (left > 2) characters[to + 3] = character(group);
    to += 4;
  }
  return ascii.decode(characters);
}

/** Base64 in the alphabet of URLs, without padding. */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The bytes of a padded base64 text; undefined for any other text. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  const end = text.length - padding;
  let group = 0;
  for (let at = 0, to = 0; at < text.length; at++) {
    const code = at < end ? (CODES[text.charCodeAt(at)] ?? 64) : 0;
    if (code === 64) return undefined;
    group = (group << 6) | code;
    if (at % 4 !== 3) continue;
    for (let shift = 16; shift >= 0 && to < bytes.length; shift -= 8) bytes[to++] = (group >> shift) & 0xff;
    group = 0;
  }
  return bytes;
}
