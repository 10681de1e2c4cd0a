/** What may be repeated, and when there is no use in coming back. */
import type { ActorError } from "./errors.js";
import { isActorError } from "./errors.js";
import { pause } from "./deadline.js";
import type { Clock } from "./platform/platform.js";

/** Delays between attempts of a call that had no effect. */
const DELAYS_MS = [25, 50, 100, 200];
/** First and longest delay between attempts to connect. */
const BACKOFF_MS = { first: 250, last: 10_000 } as const;

const NO_EFFECT = new Set(["guard/service_unavailable", "actor/stopping", "actor/starting", "actor/restarting"]);
/** Refusals that another attempt may overcome although their groups say no. */
const PASSING = new Set(["auth/auth_timeout", "auth/too_many_requests"]);
const FINAL = new Set([
  "actor/not_found",
  "actor/destroyed",
  "actor/not_registered",
  "actor/invalid_params",
  "actor/duplicate_key",
  "actor/unsupported_websocket_encoding",
  "client/invalid_argument",
  "client/disposed",
]);

/** Repeats what the server is known to have refused without effect. */
export async function repeating<T>(clock: Clock, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  for (let index = 0; ; index++) {
    try {
      return await attempt();
    } catch (error) {
      const delay = DELAYS_MS[index];
      if (delay === undefined || !isActorError(error) || !NO_EFFECT.has(name(error))) throw error;
      await pause(clock, delay, signal);
    }
  }
}

/** Whether the actor behind a known id is gone, so that its key may lead to another. */
export function isGone(error: unknown): boolean {
  return (
    isActorError(error) && error.group === "actor" && (error.code === "not_found" || error.code.startsWith("destroyed"))
  );
}

/** Whether no further attempt to connect can succeed. */
export function isFinal(error: unknown): boolean {
  if (!isActorError(error)) return false;
  if (PASSING.has(name(error))) return false;
  return error.group === "auth" || error.group === "user" || FINAL.has(name(error));
}

/** The delay before the attempt after `failures` failed ones, spread so that clients do not return all at once. */
export function backoff(failures: number, clock: Clock): number {
  const full = Math.min(BACKOFF_MS.last, BACKOFF_MS.first * 2 ** Math.min(failures, 16));
  return Math.max(BACKOFF_MS.first, Math.round(full * (0.75 + clock.random() / 4)));
}

function name(error: ActorError): string {
  return `${error.group}/${error.code}`;
}
