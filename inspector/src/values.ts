// Values of actions in their JSON form: bytes and big integers are arrays of a tag and a text.

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export function bytesToJson(bytes: Uint8Array): Json {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return ["$Uint8Array", btoa(text)];
}

/** The bytes of a value that holds some; text counts as its UTF-8. */
export function bytesOf(value: unknown): Uint8Array {
  if (typeof value === "string") return new TextEncoder().encode(value);
  if (Array.isArray(value) && value.length === 2 && (value[0] === "$Uint8Array" || value[0] === "$ArrayBuffer")) {
    return Uint8Array.from(atob(String(value[1])), (char) => char.charCodeAt(0));
  }
  return new Uint8Array();
}

/** A member of something that may be anything. */
export function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function text(value: unknown): string {
  return value === null || value === undefined ? "" : String(value);
}
