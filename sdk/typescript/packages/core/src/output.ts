/**
 * Output of processes and shells on its way to listeners. What comes before the first listener is kept, up to
 * {@link KEPT_BYTES} of each source; the oldest goes first.
 */
import { report } from "@agentos/native";

/** Bytes that wait for a first listener. */
const KEPT_BYTES = 64 * 1024;

/** One source of output: a stream of a process, a shell. */
export class Output {
  readonly #listeners = new Set<(data: Uint8Array) => void>();
  #kept: Uint8Array[] | undefined = [];
  #bytes = 0;

  /** New output. */
  push(data: Uint8Array): void {
    for (const listener of [...this.#listeners]) guarded("a listener of output", () => listener(data));
    if (this.#kept === undefined) return;
    this.#kept.push(data);
    this.#bytes += data.length;
    this.#forget(this.#kept);
  }

  #forget(kept: Uint8Array[]): void {
    while (this.#bytes > KEPT_BYTES) {
      const first = kept[0];
      if (first === undefined) return;
      const excess = this.#bytes - KEPT_BYTES;
      if (first.length > excess) kept[0] = first.subarray(excess);
      else kept.shift();
      this.#bytes -= Math.min(first.length, excess);
    }
  }

  /** Adds a listener; the first gets what was kept. */
  subscribe(listener: (data: Uint8Array) => void): () => void {
    const kept = this.#kept;
    this.#kept = undefined;
    this.#listeners.add(listener);
    kept?.forEach((data) => guarded("a listener of output", () => listener(data)));
    return () => void this.#listeners.delete(listener);
  }
}

/** Something that happens once; listeners that come later hear of it as well. */
export class Ending<T> {
  readonly #listeners = new Set<(value: T) => void>();
  #value: { value: T } | undefined;

  /** It happened. */
  set(value: T): void {
    if (this.#value !== undefined) return;
    this.#value = { value };
    for (const listener of [...this.#listeners]) guarded("a listener of an end", () => listener(value));
    this.#listeners.clear();
  }

  /** Whether it has happened. */
  get ended(): boolean {
    return this.#value !== undefined;
  }

  /** Calls back when it happens, or soon if it has. */
  subscribe(listener: (value: T) => void): () => void {
    const known = this.#value;
    if (known !== undefined) {
      queueMicrotask(() => guarded("a listener of an end", () => listener(known.value)));
      return () => {};
    }
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** A listener that cannot hurt anybody else. */
export function guarded(what: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    report(what, error);
  }
}
