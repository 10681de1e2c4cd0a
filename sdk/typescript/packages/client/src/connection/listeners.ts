/** Who listens to what. A listener that throws harms nobody else: its error goes to `onError` of the client. */

// What a listener is given depends on the event; only the surface that users see can say it.
/** A listener. */
export type Listener = (...args: any[]) => void;

/** Listeners by name. */
export class Listeners {
  readonly #byName = new Map<string, Set<{ listener: Listener }>>();
  readonly #report: (error: unknown) => void;

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  /** Names that somebody listens to. */
  names(): string[] {
    return [...this.#byName.keys()];
  }

  /** Whether somebody listens. */
  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** Adds a listener. `left` runs once, when the last listener of the name has gone. */
  add(name: string, listener: Listener, left?: () => void): () => void {
    const entry = { listener };
    const entries = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, entries.add(entry));
    return () => {
      if (!entries.delete(entry) || entries.size > 0) return;
      if (this.#byName.get(name) === entries) {
        this.#byName.delete(name);
        left?.();
      }
    };
  }

  /** Calls those who listen now. */
  tell(name: string, ...args: unknown[]): void {
    for (const { listener } of [...(this.#byName.get(name) ?? [])]) {
      try {
        listener(...args);
      } catch (error) {
        this.#report(error);
      }
    }
  }
}
