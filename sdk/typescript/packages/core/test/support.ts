import assert from "node:assert/strict";
import { type ActorError, isActorError } from "@agentos/core";

/** The text of bytes. */
export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The error that something fails with, which must have this code. */
export async function failsWith(work: Promise<unknown> | (() => unknown), code: string, message?: RegExp): Promise<ActorError> {
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    if (!isActorError(error)) throw error;
    assert.equal(error.code, code, error.message);
    if (message !== undefined) assert.match(error.message, message);
    return error;
  }
  throw new assert.AssertionError({ message: `it did not fail with ${code}` });
}

/** A promise and its resolve function. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => (resolve = done));
  return { promise, resolve };
}
