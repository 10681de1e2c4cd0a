/**
 * Calling hooks. The native side calls one function with plain data; this makes the context, runs the hook and gives back
 * what it returned. Errors for clients go back as they are; of all others the text goes back with the hook's name, for the
 * log: the group `script` is one that the native side masks.
 */
import { ActorError, isActorError } from "@agentos/client";
import { AsyncLocalStorage } from "node:async_hooks";
import { isDeepStrictEqual } from "node:util";
import { ActorDefinition } from "./actor.js";
import type { VmDefinition } from "./agent-os.js";
import type { Conn, HookContext, HookRequest, Logger } from "./context.js";
import type { Database, Row, SqlValue } from "./db.js";
import { AwakeActors } from "./instance.js";
import type { Instances } from "./instance.js";
import { withNativeParts } from "./options.js";
import { plainText } from "./plain.js";

/** What hooks do to their registry. */
export interface Reach extends Instances {
  act(actorId: string, action: string, args: unknown[]): Promise<unknown>;
  execute(actorId: string, conn: string | undefined, sql: string, args: unknown[]): Promise<unknown>;
  conn(actorId: string, conn: string, deed: "setState" | "send" | "disconnect", args: unknown[]): boolean;
  log(level: LogLevel, source: string, text: string): void;
}

/** How important a record of the log is. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** A connection as it is handed over. */
export interface PlainConn {
  id: string;
  state: unknown;
  params: unknown;
}

/** A context as it is handed over. */
export interface PlainContext {
  key: string[];
  actorId: string;
  name: string;
  input?: unknown;
  conn?: PlainConn;
  request?: { method: string; url: string; headers: [string, string][] };
}

/** Hooks that run with a connection as their second argument. */
const WITH_CONN = new Set(["onConnect", "onDisconnect"]);

/** Calls into the code of awake actors. */
const AWAKE = new Set(["boot", "action", "onSleep", "onDestroy"]);

/** Which hook the code that runs belongs to. */
const current = new AsyncLocalStorage<{ hook: string; source: string; reach: Reach }>();

/** The function that calls hooks of these definitions. */
export function dispatcher(definitions: ReadonlyMap<string, VmDefinition | ActorDefinition>, reach: Reach) {
  watchRejections();
  const awake = new AwakeActors(reach);
  return async (name: string, hook: string, plain: PlainContext, args: unknown[]): Promise<unknown> => {
    const definition = definitions.get(name);
    const source = `${name}/${plain.key.join(",")}`;
    const label = hook === "action" ? `the action ${String(args[1])}` : hook;
    return named(label, name, current.run({ hook: label, source, reach }, async () => {
      if (definition instanceof ActorDefinition && AWAKE.has(hook)) {
        const tools = { log: logger(source, reach), conn: (conn: PlainConn) => new HookConn(plain.actorId, conn, reach) };
        return awake.run(definition, hook, plain, args, tools);
      }
      const run = definition?.hook(hook);
      if (run === undefined) throw new Error(`${hook} is no function of "${name}"`);
      if (hook === "options") {
        const { key, actorId, input } = plain;
        return plainText(withNativeParts(await run({ key, actorId, input }), actorId));
      }
      const conn = plain.conn === undefined ? undefined : new HookConn(plain.actorId, plain.conn, reach);
      const context = contextOf(plain, conn, source, reach);
      try {
        return await (WITH_CONN.has(hook) ? run(context, conn) : run(context, ...args));
      } finally {
        conn?.keep();
      }
    }));
  };
}

/** What a hook gives; an error that is not for clients gets the hook's name. */
async function named(hook: string, definition: string, running: Promise<unknown>): Promise<unknown> {
  try {
    return await running;
  } catch (error) {
    if (isActorError(error)) throw error;
    throw new ActorError("script", "thrown", `${hook} of "${definition}": ${textOf([error])}`);
  }
}

function contextOf(plain: PlainContext, conn: HookConn | undefined, source: string, reach: Reach): HookContext {
  const { key, actorId, name } = plain;
  const act = (action: string, args: unknown[]) => reach.act(actorId, action, args);
  const context: HookContext & { conn?: Conn } = {
    key,
    actorId,
    name,
    log: logger(source, reach),
    vm: actions(act) as HookContext["vm"],
    db: database((sql, args) => reach.execute(actorId, plain.conn?.id, sql, args)),
    respondPermission: (...args) => act("respondPermission", args),
  };
  if (conn !== undefined) context.conn = conn;
  if (plain.request !== undefined) Object.assign(context, { request: requestOf(plain.request) });
  return context;
}

/** A connection as hooks see it. */
export class HookConn implements Conn {
  readonly id: string;
  readonly params: unknown;
  readonly #actorId: string;
  readonly #reach: Reach;
  #state: unknown;
  /** The state as it was handed over, once somebody has looked at it. */
  #before: unknown;
  #looked = false;

  constructor(actorId: string, plain: PlainConn, reach: Reach) {
    this.id = plain.id;
    this.params = plain.params;
    this.#actorId = actorId;
    this.#state = plain.state;
    this.#reach = reach;
  }

  get state(): unknown {
    if (!this.#looked) {
      this.#looked = true;
      this.#before = structuredClone(this.#state);
    }
    return this.#state;
  }

  set state(state: unknown) {
    this.#reach.conn(this.#actorId, this.id, "setState", [state]);
    this.#state = state;
    this.#before = structuredClone(state);
    this.#looked = true;
  }

  send(event: string, ...args: unknown[]): void {
    this.#reach.conn(this.#actorId, this.id, "send", [event, ...args]);
  }

  disconnect(reason?: string): void {
    this.#reach.conn(this.#actorId, this.id, "disconnect", reason === undefined ? [] : [reason]);
  }

  /** Keeps what was changed within the state. */
  keep(): void {
    if (!this.#looked || isDeepStrictEqual(this.#before, this.#state)) return;
    this.#before = structuredClone(this.#state);
    this.#reach.conn(this.#actorId, this.id, "setState", [this.#state]);
  }
}

function requestOf({ method, url, headers }: { method: string; url: string; headers: [string, string][] }): HookRequest {
  const made = new Headers();
  for (const [name, value] of headers) {
    try {
      made.append(name, value);
    } catch {
      // A name or value that is none on the web; it is not worth refusing the request for.
    }
  }
  return { method, url: `http://actor${url}`, headers: made };
}

/** Any action as a method, actions within actions too: `vm.exec(...)`, `vm.policy.explain(...)`. */
export function actions(act: (action: string, args: unknown[]) => Promise<unknown>, prefix = ""): object {
  const call = (...args: unknown[]) => act(prefix.slice(0, -1), args);
  return new Proxy(prefix === "" ? {} : call, {
    get(target, name) {
      // A thenable would be called by every await.
      if (typeof name !== "string" || name === "then") return Reflect.get(target, name);
      return actions(act, `${prefix}${name}.`);
    },
  });
}

function logger(source: string, reach: Reach): Logger {
  const at = (level: LogLevel) => (...parts: unknown[]) => reach.log(level, source, textOf(parts));
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function textOf(parts: unknown[]): string {
  return parts.map((part) => (typeof part === "string" ? part : part instanceof Error ? (part.stack ?? String(part)) : plainText(part))).join(" ");
}

/** A database whose statements are run by this function. */
export function database(execute: (sql: string, args: SqlValue[]) => Promise<unknown>): Database {
  return { execute: (sql, ...args) => execute(sql, args) as Promise<Row[]> };
}

let watching = false;

/**
 * Reports promises that a hook left behind and that were rejected, under the hook's name. Other rejections are treated as
 * Node.js does without this: unless somebody else listens, they end the process.
 */
function watchRejections(): void {
  if (watching) return;
  watching = true;
  process.on("unhandledRejection", (reason) => {
    const from = current.getStore();
    if (from !== undefined) {
      from.reach.log("error", from.source, `unhandled rejection in ${from.hook}: ${textOf([reason])}`);
    } else if (process.listenerCount("unhandledRejection") === 1) {
      throw reason;
    }
  });
}
