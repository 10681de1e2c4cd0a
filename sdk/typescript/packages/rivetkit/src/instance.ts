/** Awake actors: their state, and what their code does to them. */
import { isDeepStrictEqual } from "node:util";
import type { ActorContext, ActorDefinition, AnyActorConfig, Schedule } from "./actor.js";
import type { Conn, Logger } from "./context.js";
import type { HookConn, PlainConn, PlainContext } from "./dispatch.js";

/** What an awake actor does to its native side. */
export interface Instances {
  /** At once, in the order of the calls. */
  deed(instance: number, deed: string, args: unknown[]): unknown;
  /** What takes time. */
  call(instance: number, deed: string, args: unknown[]): Promise<unknown>;
}

/** What is made for an actor's code by whoever calls it. */
export interface Tools {
  log: Logger;
  conn(plain: PlainConn): HookConn;
}

/** The awake actors of one registry, by number. */
export class AwakeActors {
  readonly #awake = new Map<number, AwakeActor>();
  readonly #instances: Instances;

  constructor(instances: Instances) {
    this.#instances = instances;
  }

  /** Calls into an actor: its boot, an action, its end. */
  async run(definition: ActorDefinition, hook: string, plain: PlainContext, args: unknown[], tools: Tools): Promise<unknown> {
    const [number, ...rest] = args as [number, ...unknown[]];
    if (hook === "boot") {
      const [first, state] = rest as [boolean, unknown];
      const awake = new AwakeActor(number, definition.config, plain, this.#instances, tools);
      this.#awake.set(number, awake);
      try {
        return await awake.boot(first, state, plain.input);
      } catch (error) {
        this.#awake.delete(number);
        throw error;
      }
    }
    const awake = this.#awake.get(number);
    if (awake === undefined) throw new Error(`the actor is not awake (${hook})`);
    if (hook === "action") {
      const [action, given] = rest as [string, unknown[]];
      return awake.action(action, given, plain.conn, tools);
    }
    try {
      return await awake.end(hook as "onSleep" | "onDestroy");
    } finally {
      this.#awake.delete(number);
    }
  }
}

/** One awake actor. */
class AwakeActor {
  readonly #number: number;
  readonly #config: AnyActorConfig;
  readonly #identity: Pick<PlainContext, "key" | "actorId" | "name">;
  readonly #instances: Instances;
  readonly #tools: Tools;
  readonly #ended = new AbortController();
  readonly #schedule: Schedule;
  #state: unknown;
  /** The state as it was last stored. */
  #stored: unknown;
  #vars: unknown;
  #holds = 0;

  constructor(number: number, config: AnyActorConfig, plain: PlainContext, instances: Instances, tools: Tools) {
    this.#number = number;
    this.#config = config;
    this.#identity = { key: plain.key, actorId: plain.actorId, name: plain.name };
    this.#instances = instances;
    this.#tools = tools;
    const call = (deed: string, ...args: unknown[]) => instances.call(number, deed, args) as Promise<never>;
    this.#schedule = {
      after: (ms, action, ...args) => call("after", ms, action, ...args),
      at: (timestamp, action, ...args) => call("at", timestamp, action, ...args),
      cancel: (id) => call("cancel", id),
      list: () => call("list"),
    };
  }

  async boot(first: boolean, state: unknown, input: unknown): Promise<void> {
    const { createState, createVars, onCreate, onWake } = this.#config;
    if (first) {
      this.#state = createState ? await createState.call(this.#config, this.#identity, input) : structuredClone(this.#config.state);
    } else {
      this.#state = state;
      this.#stored = structuredClone(state);
    }
    this.#vars = createVars ? await createVars.call(this.#config, this.#identity) : structuredClone(this.#config.vars);
    const context = this.#context(undefined, this.#tools);
    if (first) await onCreate?.call(this.#config, context, input);
    await onWake?.call(this.#config, context);
    this.#store();
  }

  async action(name: string, args: unknown[], plain: PlainConn | undefined, tools: Tools): Promise<unknown> {
    const { actions = {} } = this.#config;
    const run = Object.hasOwn(actions, name) ? actions[name] : undefined;
    if (run === undefined) throw new Error(`there is no action ${name}`);
    const conn = plain === undefined ? undefined : tools.conn(plain);
    try {
      return await run.call(actions, this.#context(conn, tools), ...args);
    } finally {
      conn?.keep();
      this.#store();
    }
  }

  async end(hook: "onSleep" | "onDestroy"): Promise<void> {
    this.#ended.abort();
    await this.#config[hook]?.call(this.#config, this.#context(undefined, this.#tools));
    if (hook === "onSleep") this.#store();
  }

  /** Hands the state over to be stored if it has changed. */
  #store(): void {
    if (isDeepStrictEqual(this.#stored, this.#state)) return;
    this.#instances.deed(this.#number, "save", [this.#state]);
    this.#stored = structuredClone(this.#state);
  }

  #context(conn: Conn | undefined, tools: Tools): ActorContext<unknown, unknown, unknown, unknown> {
    const actor = this;
    const deed = (name: string, ...args: unknown[]) => actor.#instances.deed(actor.#number, name, args);
    return {
      ...this.#identity,
      conn,
      log: tools.log,
      schedule: this.#schedule,
      db: { execute: (sql, ...args) => actor.#instances.call(actor.#number, "execute", [sql, ...args]) as Promise<never> },
      abortSignal: this.#ended.signal,
      get state() {
        return actor.#state;
      },
      set state(state) {
        actor.#state = state;
      },
      get vars() {
        return actor.#vars;
      },
      set vars(vars) {
        actor.#vars = vars;
      },
      get conns() {
        return new Map((deed("conns") as PlainConn[]).map((plain) => [plain.id, tools.conn(plain)]));
      },
      broadcast: (event, ...args) => void deed("broadcast", event, ...args),
      async saveState() {
        actor.#store();
        await actor.#instances.call(actor.#number, "settle", []);
      },
      waitUntil: (promise) => actor.#hold(promise, tools),
      sleep: () => void actor.#later("sleep"),
      destroy: () => void actor.#later("destroy"),
    };
  }

  #hold(promise: Promise<unknown>, tools: Tools): void {
    const hold = this.#holds++;
    this.#instances.deed(this.#number, "hold", [hold, "waitUntil"]);
    promise
      .catch((error: unknown) => tools.log.error("a promise given to waitUntil was rejected:", error))
      .finally(() => {
        try {
          this.#store();
          this.#instances.deed(this.#number, "release", [hold]);
        } catch {
          // The actor ended meanwhile, and with it what kept it awake.
        }
      });
  }

  #later(deed: "sleep" | "destroy"): void {
    this.#instances.call(this.#number, deed, []).catch((error: unknown) => this.#tools.log.error(`${deed} failed:`, error));
  }
}
