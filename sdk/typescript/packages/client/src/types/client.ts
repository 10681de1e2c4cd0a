/** Handles and connections as users see them. */
import type { Key } from "../key.js";
import type { CloseInfo, ConnectionStatus, OpenInfo } from "../connection/status.js";
import type { ActorError } from "../errors.js";
import type { QueueResponse } from "../wire/messages.js";
import type { ActionsOf, DefinitionsOf, EventsOf, InputOf, ParamsOf } from "./definition.js";

/** Takes a listener away again. */
export type Unsubscribe = () => void;

/** What a listener of an event is given. */
export type EventArgs<Events, Name> = Name extends keyof Events
  ? Events[Name] extends readonly unknown[]
    ? Events[Name]
    : never
  : never;

/** Names of events. */
export type EventName<Events> = keyof Events & string;

/** One call in full, for actions whose arguments leave no room for options, or whose names are reserved. */
export interface ActionRequest<Name extends string = string, Args extends readonly unknown[] = readonly unknown[]> {
  name: Name;
  args?: Args;
  /** Gives the call up. What has begun on the server is not undone. */
  signal?: AbortSignal;
  /** Milliseconds that it may take, 0 for any time; that of the client unless given. */
  timeoutMs?: number;
}

type Method = (...args: never[]) => Promise<unknown>;

/** Names without a type: those within another (`policy.explain`), and all when actions have no types. */
type OtherName<Actions> = string extends keyof Actions ? string : `${string}.${string}`;

/** Calls by name. */
export interface Calls<Actions> {
  /** Runs an action by its name. */
  action<Name extends keyof Actions & string>(
    request: Actions[Name] extends Method ? ActionRequest<Name, Parameters<Actions[Name]>> : never,
  ): Actions[Name] extends Method ? ReturnType<Actions[Name]> : never;
  action<Result = unknown>(request: ActionRequest<OtherName<Actions>>): Promise<Result>;
}

/** Events. */
export interface Subscriptions<Events> {
  /** Only a type: which events there are. */
  readonly "~events"?: Events;
  /** Listens to an event. */
  on<Name extends EventName<Events>>(event: Name, listener: (...args: EventArgs<Events, Name>) => void): Unsubscribe;
  /** Listens to an event, once. */
  once<Name extends EventName<Events>>(event: Name, listener: (...args: EventArgs<Events, Name>) => void): Unsubscribe;
}

/** What every handle has. Its actions are methods besides; each is one HTTP call. */
export interface HandleMembers<Actions, Events> extends Calls<Actions>, Subscriptions<Events> {
  /**
   * Listens to an event. The first listener opens a connection that all listeners of this handle share, and the last one to
   * leave closes it.
   */
  on<Name extends EventName<Events>>(event: Name, listener: (...args: EventArgs<Events, Name>) => void): Unsubscribe;
  /** Opens a connection of its own. It is open until `dispose`. */
  connect(): Connection<Actions, Events>;
  /** The actor's id. Asks the server the first time. */
  resolve(options?: { signal?: AbortSignal }): Promise<string>;
  /** The actor's id, asked anew. */
  reload(options?: { signal?: AbortSignal }): Promise<string>;
  /** The URL below which the actor is served; the `path` of a preview may be appended. It holds no token. */
  getGatewayUrl(): Promise<string>;
  /** Sends a message to a queue. */
  send(
    queue: string,
    body: unknown,
    options?: { wait?: boolean; timeout?: number; signal?: AbortSignal },
  ): Promise<QueueResponse>;
  /** A request to the actor's own HTTP handler. Of a URL only path and query count. */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** A socket to the actor's own WebSocket handler. */
  webSocket(path?: string, protocols?: string | string[]): Promise<WebSocket>;
  /** Closes the connection that listeners share, and forgets them. */
  dispose(): Promise<void>;
}

/** What every connection has. Its actions are methods besides. */
export interface ConnectionMembers<Actions, Events> extends Calls<Actions>, Subscriptions<Events>, AsyncDisposable {
  /** Hears whenever it opens, also after a loss: `gap` says which time was missed. */
  onOpen(listener: (info: OpenInfo) => void): Unsubscribe;
  /** Hears why it could not be opened, and of errors of the whole connection. */
  onError(listener: (error: ActorError) => void): Unsubscribe;
  /** Hears when it was lost, or closed for good. */
  onClose(listener: (info: CloseInfo) => void): Unsubscribe;
  /** Hears whenever `connStatus` changes. */
  onStatusChange(listener: (status: ConnectionStatus) => void): Unsubscribe;
  /** Where it is. */
  readonly connStatus: ConnectionStatus;
  /** Whether it is open now. */
  readonly isConnected: boolean;
  /** Resolves when it is open for the first time; rejects if it will never be. */
  readonly ready: Promise<void>;
  /** The actor's id, once it was open. */
  readonly actorId: string | undefined;
  /** The connection's id at the server, once it was open. It changes when it is lost and comes back. */
  readonly connectionId: string | undefined;
  /** Closes it for good. Calls that are not answered fail. */
  dispose(): Promise<void>;
}

/** One actor, named by a key or an id. Costs nothing until it is used. */
export type Handle<Actions, Events> = HandleMembers<Actions, Events> & Actions;

/** A connection to an actor. */
export type Connection<Actions, Events> = ConnectionMembers<Actions, Events> & Actions;

/** How an actor is reached. */
export interface GetOptions<Params = unknown> {
  /** What the server's hooks decide by; at most 4 KiB of JSON. */
  params?: Params;
  /** Called for the parameters at every connect, reconnect and HTTP call, in place of `params`. */
  getParams?: () => Params | Promise<Params>;
}

/** How an actor is reached that may have to be made. */
export interface CreateOptions<Params = unknown, Input = unknown> extends GetOptions<Params> {
  /** What a new actor is given; at most 4 MiB. Of no effect on one that exists. */
  input?: Input;
  /** The same under the name that RivetKit has for it. */
  createWithInput?: Input;
}

/** The actors of one definition. */
export interface Accessor<Definition> {
  /** The actor of this key, made on first use if there is none. */
  getOrCreate(key?: Key, options?: CreateOptions<ParamsOf<Definition>, InputOf<Definition>>): HandleOf<Definition>;
  /** The actor of this key; calls fail with `actor/not_found` if there is none. */
  get(key?: Key, options?: GetOptions<ParamsOf<Definition>>): HandleOf<Definition>;
  /** The actor of this id. */
  getForId(id: string, options?: GetOptions<ParamsOf<Definition>>): HandleOf<Definition>;
  /** Makes the actor of this key; fails with `actor/duplicate_key` if there is one. */
  create(key?: Key, options?: CreateOptions<ParamsOf<Definition>, InputOf<Definition>>): Promise<HandleOf<Definition>>;
}

/** A handle of a definition's actors. */
export type HandleOf<Definition> = Handle<ActionsOf<Definition>, EventsOf<Definition>>;

/** A connection to a definition's actors. */
export type ConnectionOf<Definition> = Connection<ActionsOf<Definition>, EventsOf<Definition>>;

/** What every client has. */
export interface ClientMembers {
  /** Closes all connections that were made with it. */
  dispose(): Promise<void>;
}

/** A client of a registry: its definitions by their names. */
export type Client<Registry> = ClientMembers & {
  readonly [Name in keyof DefinitionsOf<Registry> & string]: Accessor<DefinitionsOf<Registry>[Name]>;
};
