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

/** What belongs to one thread. */
interface Shared {
  waiting: Map<number, Waiting>;
  hooks: Map<number, { name: string; run: Hook }>;
  listeners: Map<number, (name: string, payload: unknown) => void>;
  running: Map<number, AbortController>;
  lastId: number;
  lastHook: number;
  holds: number;
  alive: NodeJS.Timeout | undefined;
}

let opened: Addon | undefined;

/** The addon with its environment open. */
export function native(): Addon {
  if (opened === undefined) {
    const loaded = addon();
    // Another copy of this module may have opened it: they share what waits, and the first one reads the letters.
    if (loaded["~shared"] === undefined) {
      const fresh: Shared = {
        waiting: new Map(), hooks: new Map(), listeners: new Map(), running: new Map(),
        lastId: 0, lastHook: 0, holds: 0, alive: undefined,
      };
      loaded.open(drain);
      loaded["~shared"] = fresh;
    }
    opened = loaded;
  }
  return opened;
}

function shared(): Shared {
  return native()["~shared"] as Shared;
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
      if (!shared().waiting.delete(id)) return;
      release();
      native().cancel(id);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    const finish = (end: (value: unknown) => void) => (value: unknown) => {
      signal?.removeEventListener("abort", onAbort);
      end(value);
    };
    shared().waiting.set(id, { resolve: finish(resolve as (value: unknown) => void), reject: finish(reject) });
    hold();
  });
}

/** Makes a call that ends at once. */
export function call<T>(start: (native: Addon) => unknown): T {
  return attempt(() => start(native())) as T;
}

/** The id that the next call of {@link invoke} gets. */
export function upcomingId(): number {
  return (shared().lastId % 0xffff_fffe) + 1;
}

function nextId(): number {
  const state = shared();
  do state.lastId = upcomingId();
  while (state.waiting.has(state.lastId));
  return state.lastId;
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
  const state = shared();
  state.holds += 1;
  if (state.holds > 1) return;
  // A timer that practically never fires is the only thing of Node.js that can be held and let go at will.
  state.alive ??= setInterval(() => {}, 2 ** 30);
  state.alive.ref();
}

/** Undoes one {@link hold}. */
export function release(): void {
  const state = shared();
  state.holds -= 1;
  if (state.holds > 0) return;
  state.alive?.unref();
  resting ??= setTimeout(rest, QUIET_MS, state.lastId).unref();
}

/** Time without calls after which the addon gives the pages of its code back, in ms. */
const QUIET_MS = 1000;
let resting: NodeJS.Timeout | undefined;

/** Has the addon rest if there was no call after this one; the end of the next that is waited for has it tried again. */
function rest(last: number): void {
  resting = undefined;
  const { holds, lastId } = shared();
  if (holds > 0) return;
  if (lastId === last) native().rest();
  else resting = setTimeout(rest, QUIET_MS, lastId).unref();
}

/** Lets the addon call a function, under the number that is returned. `name` is what reports of its failures say. */
export function hook(name: string, run: Hook): number {
  const state = shared();
  state.lastHook += 1;
  state.hooks.set(state.lastHook, { name, run });
  return state.lastHook;
}

/** Forgets a function. */
export function unhook(number: number): void {
  shared().hooks.delete(number);
}

/** How many functions the addon may call: a test watches that it does not grow. */
export function hookCount(): number {
  return shared().hooks.size;
}

/** Listens to the events of one target. */
export function listen(target: number, listener: (name: string, payload: unknown) => void): void {
  shared().listeners.set(target, listener);
}

/** Stops listening. */
export function unlisten(target: number): void {
  shared().listeners.delete(target);
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
        shared().running.get(number)?.abort();
        at += 2;
        break;
      default:
        throw new Error(`the native addon and @agentos/native do not belong together (letter ${kind})`);
    }
  }
}

function end(id: number, ok: boolean, value: unknown): void {
  const { waiting } = shared();
  const waits = waiting.get(id);
  if (waits === undefined) return;
  waiting.delete(id);
  release();
  if (ok) waits.resolve(value);
  else waits.reject(toError(value));
}

function notify(target: number, name: string, payload: unknown): void {
  try {
    shared().listeners.get(target)?.(name, payload);
  } catch (error) {
    report(`a listener of ${name}`, error);
  }
}

async function run(callId: number, number: number, args: unknown[]): Promise<void> {
  const { hooks, running } = shared();
  const found = hooks.get(number);
  const abort = new AbortController();
  running.set(callId, abort);
  try {
    if (found === undefined) throw new ActorError("agentos", "vm_disposed", "the function went with its VM");
    answer(callId, await found.run(args, abort.signal));
  } catch (error) {
    native().settle(callId, false, describe(error));
    if (!isActorError(error)) report(found?.name ?? "a function", error);
  } finally {
    running.delete(callId);
  }
}

function answer(callId: number, value: unknown): void {
  try {
    native().settle(callId, true, value);
  } catch (thrown) {
    const reason = toError(thrown);
    throw new Error(`what it returned cannot travel: ${reason instanceof Error ? reason.message : String(reason)}`);
  }
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
