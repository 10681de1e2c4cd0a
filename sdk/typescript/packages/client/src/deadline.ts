/** Time limits and signals of calls. */
import { clientError } from "./errors.js";
import type { Clock } from "./platform/platform.js";

/** A signal that fires with another one or after a time; to be ended when what it guards is over. */
export interface Deadline {
  readonly signal: AbortSignal;
  end(): void;
}

/** `ms` of 0 means any time. */
export function deadline(clock: Clock, what: string, ms: number, outer?: AbortSignal): Deadline {
  const controller = new AbortController();
  const follow = (): void => controller.abort(outer?.reason);
  if (outer?.aborted) follow();
  outer?.addEventListener("abort", follow, { once: true });
  const late = (): void =>
    controller.abort(clientError("timed_out", `${what} was not answered within ${ms} ms`, { timeoutMs: ms }));
  const cancel = ms > 0 && Number.isFinite(ms) ? clock.after(ms, late) : undefined;
  return {
    signal: controller.signal,
    end() {
      cancel?.();
      outer?.removeEventListener("abort", follow);
    },
  };
}

/** The promise's outcome, or the signal's reason if that fires first. */
export function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const give = (): void => reject(signal.reason);
    if (signal.aborted) return give();
    signal.addEventListener("abort", give, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", give));
  });
}

/** Waits, unless the signal fires. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const give = (): void => {
      cancel();
      reject(signal.reason);
    };
    const cancel = clock.after(ms, () => {
      signal.removeEventListener("abort", give);
      resolve();
    });
    signal.addEventListener("abort", give, { once: true });
  });
}
