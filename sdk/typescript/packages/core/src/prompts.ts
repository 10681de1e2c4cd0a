/**
 * Calls of sessions that can be aborted. The session layer goes on with what was asked, whoever waits for it: here an aborted
 * call also ends what it had begun.
 */

/** Waits for work until a signal is aborted; then `undo` ends it, and nobody waits. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined, undo: () => Promise<unknown>): Promise<T> {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason);
      // Who aborted is told of that alone.
      undo().catch(() => {});
    };
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** The prompts of one VM that have not ended. */
export class Prompts {
  /** Of each session, in the order in which they run. */
  readonly #running = new Map<string, Set<Promise<unknown>>>();

  /** Takes a prompt that was just begun; gives what cancels it and nothing that runs before it. */
  add(sessionId: string, work: Promise<unknown>, cancel: () => Promise<unknown>, news: () => Promise<void>): () => Promise<void> {
    const running = this.#running.get(sessionId) ?? new Set();
    const before = [...running];
    this.#running.set(sessionId, running.add(work));
    const ended = work.then(
      () => this.#remove(sessionId, work),
      () => this.#remove(sessionId, work),
    );
    return async () => {
      await Promise.allSettled(before);
      while (running.has(work)) {
        const begun = news();
        await cancel();
        // One that has not begun yet cannot be cancelled; its beginning is an event.
        await Promise.race([ended, begun]);
      }
    };
  }

  #remove(sessionId: string, work: Promise<unknown>): void {
    const running = this.#running.get(sessionId);
    running?.delete(work);
    if (running?.size === 0) this.#running.delete(sessionId);
  }
}
