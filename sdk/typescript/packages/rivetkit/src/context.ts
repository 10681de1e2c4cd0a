/** What hooks are told, and what they can do. */
import type { PermissionReply, VmActions } from "@agentos/client";
import type { Database } from "./db.js";

/** The request that opened a connection. */
export interface HookRequest {
  /** Its method. */
  method: string;
  /** Its address within the VM: `http://actor/connect`. */
  url: string;
  /** Its headers. They may hold secrets. */
  headers: Headers;
}

/** Writes to the log of the process, under the name and key of the VM. */
export interface Logger {
  debug(...parts: unknown[]): void;
  info(...parts: unknown[]): void;
  warn(...parts: unknown[]): void;
  error(...parts: unknown[]): void;
}

/** A connection of a client. */
export interface Conn<State = unknown, Params = unknown> {
  /** A random UUID. */
  readonly id: string;
  /** What `createConnState` made. It may be changed and replaced; a hook's changes are kept when it ends. */
  state: State;
  /** What the client sent; null if it sent nothing. */
  readonly params: Params;
  /** Sends an event to this connection alone, if it subscribed to it. */
  send(event: string, ...args: unknown[]): void;
  /** Closes the connection. */
  disconnect(reason?: string): void;
}

/** What every hook is told. */
export interface HookContext {
  /** The VM's key. */
  readonly key: string[];
  /** The VM's id. */
  readonly actorId: string;
  /** The name of its definition. */
  readonly name: string;
  /** The request that opens the connection; absent where there is none. */
  readonly request?: HookRequest;
  /** The log. */
  readonly log: Logger;
  /** All actions of the VM, past its hooks. A sleeping VM is woken. */
  readonly vm: VmActions;
  /** The application's own database of the VM, if the definition has one. */
  readonly db: Database;
  /** Answers a request for permission. */
  respondPermission(sessionId: string, permissionId: string, reply: PermissionReply, options?: object): Promise<unknown>;
}

/** What hooks of a connection are told. */
export interface ConnHookContext<State = unknown, Params = unknown> extends HookContext {
  /** The connection. */
  readonly conn: Conn<State, Params>;
}
