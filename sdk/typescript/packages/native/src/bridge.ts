/**
 * The way between JavaScript and the addon. The addon calls one function, `drain`, when it has letters; everything else is
 * a call of ours. What waits here: calls that have not ended, functions that the addon may call, listeners of events.
 *
 * The process stays alive while a call waits or something {@link hold}s it, and only then.
 */
import { ActorError, isActorError, type ErrorShape } from "@agentos/client/errors";
import { type Addon, type Started, addon } from "./addon.js";

/** A function that the addon may call. The last argument is aborted when nobody waits for the answer any more. */
export type Hook = (args: unknown[], signal: AbortSignal) => unknown;

interface Waiting {
  resolve(value: unknown): void;
  reject(reason: unknown): void;
}

/** What the letters mean; the addon has the same numbers. */
const RESULT = 0;
const FAILURE = 1;
const EVENT = 2;
const CALL = 3;
const ABANDONED = 4;

const waiting = new Map<number, Waiting>();
const hooks = new Map<number, { name: string; run: Hook }>();
const listeners = new Map<number, (name: string, payload: unknown) => void>();
const running = new Map<number, AbortController>();
let lastId = 0;
let lastHook = 0;
let holds = 0;
let opened: Addon | undefined;
let alive: NodeJS.Timeout | undefined;

/** The addon with its environment open. */
export function native(): Addon {
  if (opened === undefined) {
    const loaded = addon();
    loaded.open(drain);
    opened = loaded;
  }
  return opened;
}

/**
 * Makes a call. `start` gets the addon and the call's id; what it returns or throws at once is the end of the call, unless
 * it returns null. When `signal` is aborted the call is given up, and what it had started ends.
 */
export function invoke<T>(start: (native: Addon, id: number) => Started, signal?: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    signal?.throwIfAborted();
    const id = nextId();
    const result = attempt(() => start(native(), id));
    if (result !== null) return resolve(result as T);
    const onAbort = (): void => {
      if (!waiting.delete(id)) return;
      release();
      native().cancel(id);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    const finish = (end: (value: unknown) => void) => (value: unknown) => {
      signal?.removeEventListener("abort", onAbort);
      end(value);
    };
    waiting.set(id, { resolve: finish(resolve as (value: unknown) => void), reject: finish(reject) });
    hold();
  });
}

/** Makes a call that ends at once. */
export function call<T>(start: (native: Addon) => unknown): T {
  return attempt(() => start(native())) as T;
}

/** The id that the next call of {@link invoke} gets. */
export function upcomingId(): number {
  return (lastId % 0xffff_fffe) + 1;
}

function nextId(): number {
  do lastId = upcomingId();
  while (waiting.has(lastId));
  return lastId;
}

/** What the addon throws are plain objects; here they become errors. */
function attempt(work: () => unknown): unknown {
  try {
    return work();
  } catch (thrown) {
    throw toError(thrown);
  }
}

/** The error for a plain object of the addon's. */
export function toError(thrown: unknown): unknown {
  if (thrown instanceof Error || typeof thrown !== "object" || thrown === null) return thrown;
  const shape = thrown as Partial<ErrorShape>;
  if (shape.group === undefined || shape.code === undefined || shape.message === undefined) return thrown;
  return ActorError.from(shape as ErrorShape);
}

/** Keeps the process alive until {@link release} was called as often. */
export function hold(): void {
  holds += 1;
  if (holds > 1) return;
  // A timer that practically never fires is the only thing of Node.js that can be held and let go at will.
  alive ??= setInterval(() => {}, 2 ** 30);
  alive.ref();
}

/** Undoes one {@link hold}. */
export function release(): void {
  holds -= 1;
  if (holds === 0) alive?.unref();
}

/** Lets the addon call a function, under the number that is returned. `name` is what reports of its failures say. */
export function hook(name: string, run: Hook): number {
  lastHook += 1;
  hooks.set(lastHook, { name, run });
  return lastHook;
}

/** Forgets a function. */
export function unhook(number: number): void {
  hooks.delete(number);
}

/** Listens to the events of one target. */
export function listen(target: number, listener: (name: string, payload: unknown) => void): void {
  listeners.set(target, listener);
}

/** Stops listening. */
export function unlisten(target: number): void {
  listeners.delete(target);
}

function drain(): void {
  const letters = native().drain();
  for (let at = 0; at < letters.length; ) {
    const kind = letters[at] as number;
    const number = letters[at + 1] as number;
    switch (kind) {
      case RESULT:
      case FAILURE:
        end(number, kind === RESULT, letters[at + 2]);
        at += 3;
        break;
      case EVENT:
        notify(number, letters[at + 2] as string, letters[at + 3]);
        at += 4;
        break;
      case CALL:
        void run(number, letters[at + 2] as number, letters[at + 3] as unknown[]);
        at += 4;
        break;
      case ABANDONED:
        running.get(number)?.abort();
        at += 2;
        break;
      default:
        throw new Error(`the native addon and @agentos/native do not belong together (letter ${kind})`);
    }
  }
}

function end(id: number, ok: boolean, value: unknown): void {
  const waits = waiting.get(id);
  if (waits === undefined) return;
  waiting.delete(id);
  release();
  if (ok) waits.resolve(value);
  else waits.reject(toError(value));
}

function notify(target: number, name: string, payload: unknown): void {
  try {
    listeners.get(target)?.(name, payload);
  } catch (error) {
    report(`a listener of ${name}`, error);
  }
}

async function run(callId: number, number: number, args: unknown[]): Promise<void> {
  const found = hooks.get(number);
  const abort = new AbortController();
  running.set(callId, abort);
  try {
    if (found === undefined) throw new Error("the function was removed");
    answer(callId, await found.run(args, abort.signal));
  } catch (error) {
    native().settle(callId, false, describe(error));
    if (!isActorError(error)) report(found?.name ?? "a function", error);
  } finally {
    running.delete(callId);
  }
}

function answer(callId: number, value: unknown): void {
  native().settle(callId, true, value);
}

/** What the addon gets to know of an error: errors made for users as they are, of others only the text. */
function describe(error: unknown): ErrorShape | { message: string } {
  if (isActorError(error)) return { ...error.toJSON(), metadata: plain(error.metadata) };
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

/** Metadata that cannot travel is left out rather than losing the error. */
function plain(metadata: unknown): unknown {
  try {
    return structuredClone(metadata);
  } catch {
    return undefined;
  }
}

/** Tells the process of an error that nobody else hears of, with the name of what failed. */
export function report(what: string, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.emitWarning(`${what} failed: ${text}`, { type: "AgentOsWarning", code: "AGENTOS_HOOK_FAILED" });
}
