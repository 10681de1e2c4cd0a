/** Actors whose code is JavaScript: what `actor` gives. */
import type { DefinitionTypes } from "@agentos/client";
import type { Conn, HookContext, Logger } from "./context.js";
import type { AnyHook } from "./agent-os.js";
import type { Database, DatabaseProvider } from "./db.js";
import { check } from "./native.js";
import { plainText } from "./plain.js";

/** What is scheduled. */
export interface ScheduledAction {
  /** Its id. */
  id: string;
  /** The action. */
  action: string;
  /** Its arguments. */
  args: unknown[];
  /** When it is due, in milliseconds since 1970. */
  at: number;
}

/** Actions to be called later, durably: an actor that sleeps by then is woken. */
export interface Schedule {
  /** Calls an action after a time. Resolves to an id, once it is durable. */
  after(ms: number, action: string, ...args: unknown[]): Promise<string>;
  /** Calls an action at a time. */
  at(timestamp: number, action: string, ...args: unknown[]): Promise<string>;
  /** Takes an action back; false if it was called already. */
  cancel(id: string): Promise<boolean>;
  /** What is scheduled, in order. */
  list(): Promise<ScheduledAction[]>;
}

/** What actions and hooks of an awake actor get. */
export interface ActorContext<State = unknown, ConnState = unknown, Params = unknown, Vars = unknown> {
  /** The actor's key. */
  readonly key: string[];
  /** The actor's id. */
  readonly actorId: string;
  /** The name of its definition. */
  readonly name: string;
  /** Kept as long as the actor. Changes are durable before the action that makes them is acknowledged. */
  state: State;
  /** Kept as long as the actor is awake. */
  vars: Vars;
  /** The connection of the caller; undefined for scheduled actions. */
  readonly conn: Conn<ConnState, Params> | undefined;
  /** Open connections by id. */
  readonly conns: ReadonlyMap<string, Conn<ConnState, Params>>;
  /** The log. */
  readonly log: Logger;
  /** Actions to be called later. */
  readonly schedule: Schedule;
  /** The application's own database of the actor, if the definition has one. */
  readonly db: Database;
  /** Aborted when the actor sleeps or is destroyed. */
  readonly abortSignal: AbortSignal;
  /** Sends an event to every connection that subscribed to it. */
  broadcast(event: string, ...args: unknown[]): void;
  /** Resolves when the state as it is now is durable. */
  saveState(): Promise<void>;
  /** Keeps the actor awake until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
  /** Puts the actor to sleep once this action has ended. */
  sleep(): void;
  /** Destroys the actor with all its data. */
  destroy(): void;
}

/** An action: a function whose first argument is the context. */
export type Action<C> = (c: C, ...args: any[]) => unknown;

/** The actions of an actor as clients call them. */
export type ClientActions<Actions> = {
  [Name in keyof Actions]: Actions[Name] extends (c: any, ...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

/** What `actor` takes. */
export interface ActorConfig<State, ConnState, Params, Vars, Input, Actions> {
  /** The first state, if it is always the same. */
  state?: State;
  /** Makes the first state. */
  createState?(c: { key: string[]; actorId: string; name: string }, input: Input): State | Promise<State>;
  /** The first variables of each wake, if they are always the same. */
  vars?: Vars;
  /** Makes the variables at each wake. */
  createVars?(c: { key: string[]; actorId: string; name: string }): Vars | Promise<Vars>;
  /** A database of the application's own for each actor. */
  db?: DatabaseProvider;
  /** Events that are broadcast; a declaration for readers and types. */
  events?: Record<string, unknown>;
  /** When an actor goes to sleep (0: never), and how long its end may take. */
  sleep?: { idleTimeoutMs?: number; shutdownBudgetMs?: number };
  /** Deadline of one action. */
  actionTimeoutMs?: number;
  /** Accepts a connection by returning. */
  onBeforeConnect?(c: HookContext, params: Params): void | Promise<void>;
  /** Makes `c.conn.state`. */
  createConnState?(c: HookContext, params: Params): ConnState | Promise<ConnState>;
  /** After a connection was accepted. */
  onConnect?(c: HookContext, conn: Conn<ConnState, Params>): void | Promise<void>;
  /** After a connection has ended. */
  onDisconnect?(c: HookContext, conn: Conn<ConnState, Params>): void | Promise<void>;
  /** Allows one action by returning. */
  onBeforeAction?(c: HookContext, action: string, args: unknown[]): void | Promise<void>;
  /** Whether an event may reach the connection of `c`. */
  canReceive?(c: HookContext, event: string, payload: unknown): boolean | Promise<boolean>;
  /** Once in the life of an actor, when its first state is there. */
  onCreate?(c: ActorContext<State, ConnState, Params, Vars>, input: Input): void | Promise<void>;
  /** At each wake, the first included. */
  onWake?(c: ActorContext<State, ConnState, Params, Vars>): void | Promise<void>;
  /** Before the actor sleeps. */
  onSleep?(c: ActorContext<State, ConnState, Params, Vars>): void | Promise<void>;
  /** Before the actor is destroyed. */
  onDestroy?(c: ActorContext<State, ConnState, Params, Vars>): void | Promise<void>;
  /** What clients call. */
  actions?: Actions & Record<string, Action<ActorContext<State, ConnState, Params, Vars>>>;
}

/** The configuration of any actor. */
export type AnyActorConfig = ActorConfig<any, any, any, any, any, Record<string, Action<any>>>;

/** Actors of one kind: what `actor` gives and `setup` takes. */
export class ActorDefinition<Actions = unknown, Params = unknown, Input = unknown>
  implements DefinitionTypes<ClientActions<Actions>, Record<string, any[]>, Params, Input>
{
  /** Only a type. */
  declare readonly "~types"?: {
    actions: ClientActions<Actions>;
    events: Record<string, any[]>;
    params: Params;
    input: Input;
  };
  /** The configuration as the native side reads it. */
  readonly text: string;
  /** The configuration itself. */
  readonly config: AnyActorConfig;

  /** Checked at once. */
  constructor(config: AnyActorConfig) {
    // State and variables are values of any kind, which only this side keeps.
    this.text = plainText({ ...config, state: undefined, vars: undefined, events: undefined });
    check("actor", this.text);
    this.config = config;
  }

  /** A hook of the configuration. */
  hook(name: string): AnyHook | undefined {
    const found: unknown = Reflect.get(this.config, name);
    return typeof found === "function" ? (found.bind(this.config) as AnyHook) : undefined;
  }
}

/** Defines actors of one kind. Unknown keys and wrong values are refused at once, with `invalid_config` and their path. */
export function actor<
  State = undefined,
  ConnState = undefined,
  Params = unknown,
  Vars = undefined,
  Input = unknown,
  Actions extends Record<string, (...args: any[]) => unknown> = {},
>(config: ActorConfig<State, ConnState, Params, Vars, Input, Actions>): ActorDefinition<Actions, Params, Input> {
  return new ActorDefinition<Actions, Params, Input>(config as AnyActorConfig);
}
