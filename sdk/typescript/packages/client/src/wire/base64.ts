/** Standard base64, with what the platform has, or by hand. */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const CODES = new Uint8Array(128).fill(64);
for (let index = 0; index < 64; index++) CODES[ALPHABET.charCodeAt(index)] = index;
/** Characters that are joined at once: a longer call would have too many arguments. */
const CHUNK = 8192;

interface Native {
  toBase64?: () => string;
}

/** Bytes as base64, padded. */
export function toBase64(bytes: Uint8Array): string {
  const native = (bytes as Native).toBase64;
  if (native) return native.call(bytes);
  const characters = new Uint8Array(Math.ceil(bytes.length / 3) * 4);
  for (let from = 0, to = 0; from < bytes.length; from += 3) {
    const [a = 0, b = 0, c = 0] = [bytes[from], bytes[from + 1], bytes[from + 2]];
    characters[to++] = ALPHABET.charCodeAt(a >> 2);
    characters[to++] = ALPHABET.charCodeAt(((a & 3) << 4) | (b >> 4));
    characters[to++] = from + 1 < bytes.length ? ALPHABET.charCodeAt(((b & 15) << 2) | (c >> 6)) : 0x3d;
    characters[to++] = from + 2 < bytes.length ? ALPHABET.charCodeAt(c & 63) : 0x3d;
  }
  let text = "";
  for (let at = 0; at < characters.length; at += CHUNK)
    text += String.fromCharCode(...characters.subarray(at, at + CHUNK));
  return text;
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
