/** Definitions of VMs: what `rivetkit/agent-os` exports. */
import type { JsonRpcNotification, PermissionRequest, VmActions, VmDefinitionTypes, VmEvents } from "@agentos/client";
import type { Conn, ConnHookContext, HookContext } from "./context.js";
import type { DatabaseProvider } from "./db.js";
import { check } from "./native.js";
import { withNativeParts } from "./options.js";
import type { AgentOsOptions } from "./options.js";
import { plainText } from "./plain.js";

export type { Conn, ConnHookContext, HookContext, HookRequest, Logger } from "./context.js";
export type * from "./options.js";

/** For whom options are made. */
export interface OptionsContext<Input = unknown> {
  /** The VM's key. */
  key: string[];
  /** The VM's id. */
  actorId: string;
  /** What its creator sent along. */
  input: Input;
}

/** One entry of the audit trail. */
export interface AuditEvent {
  /** What happened, for example `security.permission.denied`. */
  event?: string;
  /** Name of the definition. */
  vm?: string;
  /** Id of the VM. */
  actorId?: string;
  /** The same for all entries of one boot. */
  correlationId?: string;
  /** What else the event has. */
  [field: string]: unknown;
}

// Hooks are methods, not properties, so that one with narrower parameters is accepted.

/** What `agentOs` takes. */
export interface AgentOsConfig<Params = unknown, State = unknown, Input = unknown> {
  /** Options of every VM, or what makes them at each boot. */
  options?: AgentOsOptions | ((c: OptionsContext<Input>) => AgentOsOptions | Promise<AgentOsOptions>);
  /** Previews of servers in the VM. */
  preview?: { defaultExpiresInSeconds?: number; maxExpiresInSeconds?: number; host?: string; pathSandbox?: boolean };
  /** When a VM goes to sleep (0: never), and how long its end may take. */
  sleep?: { idleTimeoutMs?: number; shutdownBudgetMs?: number };
  /** Deadline of one action. */
  actionTimeoutMs?: number;
  /** A database of the application's own for each VM. */
  db?: DatabaseProvider;
  /** Accepts a connection by returning, refuses it by throwing. `params` is null if the client sent none. */
  onBeforeConnect?(c: HookContext, params: Params): void | Promise<void>;
  /** Makes `c.conn.state`; throwing refuses. */
  createConnState?(c: HookContext, params: Params): State | Promise<State>;
  /** After a connection was accepted, before its client learns of it. */
  onConnect?(c: ConnHookContext<State, Params>, conn: Conn<State, Params>): void | Promise<void>;
  /** After a connection has ended. */
  onDisconnect?(c: ConnHookContext<State, Params>, conn: Conn<State, Params>): void | Promise<void>;
  /** Allows one action by returning, refuses it by throwing. */
  onBeforeAction?(c: ConnHookContext<State, Params>, action: string, args: unknown[]): void | Promise<void>;
  /** Whether an event may reach the connection of `c`. */
  canReceive?(c: ConnHookContext<State, Params>, event: string, payload: unknown): boolean | Promise<boolean>;
  /** Once for each event of a session, in order. */
  onSessionEvent?(c: HookContext, sessionId: string, event: JsonRpcNotification): void | Promise<void>;
  /** When an agent asks for permission; may answer with `c.respondPermission`. */
  onPermissionRequest?(c: HookContext, sessionId: string, request: PermissionRequest): void | Promise<void>;
  /** For each entry of the audit trail. */
  onAuditEvent?(c: HookContext, event: AuditEvent): void | Promise<void>;
}

/** Any hook, called with whatever it takes. */
export type AnyHook = (c: unknown, ...args: unknown[]) => unknown;

/** VMs of one kind: what `agentOs` gives and `setup` takes. */
export class VmDefinition<Params = unknown, Input = unknown> implements VmDefinitionTypes<Params, Input> {
  /** Only a type. */
  declare readonly "~types"?: { actions: VmActions; events: VmEvents; params: Params; input: Input };
  /** The configuration as the native side reads it. */
  readonly text: string;
  readonly #functions: ReadonlyMap<string, AnyHook>;

  /** Checked at once. */
  constructor(config: AgentOsConfig<Params, never, Input>) {
    this.text = plainText(planned(config));
    check("vm", this.text);
    const functions = Object.entries(config).filter(([, member]) => typeof member === "function");
    // Bound to the configuration, whose methods they may be.
    this.#functions = new Map(functions.map(([name, member]) => [name, (member as AnyHook).bind(config)]));
  }

  /** A function of the configuration. */
  hook(name: string): AnyHook | undefined {
    return this.#functions.get(name);
  }
}

/** The configuration with mounts and tools that the native side knows. */
function planned(config: unknown): unknown {
  if (config === null || typeof config !== "object" || !("options" in config)) return config;
  return { ...config, options: withNativeParts(config.options) };
}

/**
 * Defines VMs of one kind. Unknown keys and wrong values are refused at once, with `invalid_config` and their path.
 */
export function agentOs<Params = unknown, State = unknown, Input = unknown>(
  config: AgentOsConfig<Params, State, Input> = {},
): VmDefinition<Params, Input> {
  return new VmDefinition<Params, Input>(config as AgentOsConfig<Params, never, Input>);
}
