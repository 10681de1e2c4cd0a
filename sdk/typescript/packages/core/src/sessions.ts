/**
 * Sessions of an embedded VM: agents in it, driven over the Agent Client Protocol (api.md sections 4.5 and 10). Names are those
 * of the actions and, for some, those of the core. They are kept in memory and end with the VM.
 */
import type {
  AgentCapabilities, AgentCrashedEvent, AgentInfo, AgentListing, CallOptions, ConfigOption, ConfigResult, CreateSessionOptions,
  EventQuery, Grant, GrantScope, JsonRpcNotification, JsonRpcResponse, PermissionReply, PermissionRequest, PromptResult,
  SequencedEvent, SessionModes, SessionRecord, SessionSummary,
} from "@agentos/client";
import { invalidArgument } from "./errors.js";
import { environment } from "./options.js";
import { Prompts, abortable } from "./prompts.js";
import type { SessionEvents } from "./session-events.js";

type Rpc<T = unknown> = Promise<JsonRpcResponse<T>>;
type Configured = Rpc<ConfigResult>;

/** Options of a prompt. */
export interface PromptOptions extends CallOptions {
  /** Deadline; `limits.acp.promptTimeoutMs` unless given. */
  timeoutMs?: number;
}

/** Which events of a session are followed. */
export interface FollowOptions extends CallOptions {
  /** Number of the first event; 0 unless given. */
  from?: number;
}

/** How sessions reach their VM. */
export interface SessionWays {
  readonly events: SessionEvents;
  readonly prompts: Prompts;
  /** An action; what options have besides a signal is its last argument. */
  call<T>(name: string, args: unknown[], options?: object): Promise<T>;
  /** What is answered from memory. */
  now<T>(name: string, args: unknown[]): T;
}

/** The methods of sessions. */
export abstract class SessionMethods {
  /** The way to the VM; throws once it is disposed. */
  protected abstract readonly sessions: SessionWays;

  /** Agents that sessions know by name, and whether the VM has their programs. */
  async listAgents(): Promise<AgentListing[]> {
    return this.sessions.call("listAgents", []);
  }

  /** Sessions that are not closed, oldest first. */
  async listSessions(): Promise<SessionSummary[]> {
    return this.sessions.call("listSessions", []);
  }

  /**
   * Starts an agent: one by its name, or the absolute path of a program of the VM that speaks the protocol. Aborting ends it.
   */
  async createSession(agentType: string, options: CreateSessionOptions = {}): Promise<SessionRecord> {
    const { signal, ...rest } = options;
    signal?.throwIfAborted();
    const ways = this.sessions;
    const made = ways.call<SessionRecord>("createSession", [agentType, revealed(rest)]);
    return abortable(made, signal, async () => this.destroySession((await made).sessionId));
  }

  async getSession(sessionId: string): Promise<SessionRecord> {
    return this.sessions.call("getSession", [sessionId]);
  }

  /** Brings the agent back, of a closed session as well. */
  async resumeSession(sessionId: string): Promise<{ sessionId: string; via: "live" | "loaded" | "transcript" }> {
    return this.sessions.call("resumeSession", [sessionId]);
  }

  /**
   * Prompts an agent and waits until it is done. Listeners of the session have got all events by then. One prompt of a session
   * runs, others wait in their order. Aborting cancels the prompt.
   */
  async sendPrompt(sessionId: string, text: string, options: PromptOptions = {}): Promise<PromptResult> {
    const { signal, ...rest } = options;
    signal?.throwIfAborted();
    const ways = this.sessions;
    const work = ways.call<PromptResult>("sendPrompt", [sessionId, text], rest);
    const told = work.finally(() => ways.events.caughtUp(sessionId));
    const cancel = ways.prompts.add(
      sessionId,
      work,
      () => ways.call("cancelPrompt", [sessionId]),
      () => ways.events.news(sessionId),
    );
    return abortable(told, signal, cancel);
  }
  /** The same as {@link sendPrompt}. */
  prompt(sessionId: string, text: string, options?: PromptOptions): Promise<PromptResult> {
    return this.sendPrompt(sessionId, text, options);
  }

  /** Cancels the prompt that runs and waits for its end. */
  async cancelPrompt(sessionId: string): Rpc<{ cancelled: boolean; requested: boolean; via: string }> {
    return this.sessions.call("cancelPrompt", [sessionId]);
  }
  /** The same as {@link cancelPrompt}. */
  cancelSession(sessionId: string): Rpc<{ cancelled: boolean; requested: boolean; via: string }> {
    return this.cancelPrompt(sessionId);
  }

  /** Stops the agent; record and history stay. It begins at once, and nobody has to wait for the end. */
  closeSession(sessionId: string): Promise<void> {
    const ways = this.sessions;
    ways.now("getSession", [sessionId]);
    const closed = ways.call<void>("closeSession", [sessionId]);
    closed.catch(() => {});
    return closed;
  }

  /** Stops the agent and forgets the session. One that is not there is no error. */
  async destroySession(sessionId: string): Promise<void> {
    const ways = this.sessions;
    await ways.call("destroySession", [sessionId]);
    ways.events.end(sessionId);
  }

  async setModel(sessionId: string, model: string): Configured {
    return this.sessions.call("setModel", [sessionId, model]);
  }
  async setMode(sessionId: string, mode: string): Configured {
    return this.sessions.call("setMode", [sessionId, mode]);
  }
  async setThoughtLevel(sessionId: string, level: string): Configured {
    return this.sessions.call("setThoughtLevel", [sessionId, level]);
  }
  /** The same as {@link setModel}. */
  setSessionModel(sessionId: string, model: string): Configured {
    return this.setModel(sessionId, model);
  }
  /** The same as {@link setMode}. */
  setSessionMode(sessionId: string, mode: string): Configured {
    return this.setMode(sessionId, mode);
  }
  /** The same as {@link setThoughtLevel}. */
  setSessionThoughtLevel(sessionId: string, level: string): Configured {
    return this.setThoughtLevel(sessionId, level);
  }

  async getModes(sessionId: string): Promise<SessionModes | null> {
    return this.sessions.call("getModes", [sessionId]);
  }
  async getConfigOptions(sessionId: string): Promise<ConfigOption[]> {
    return this.sessions.call("getConfigOptions", [sessionId]);
  }
  /** The same as {@link getModes}. */
  getSessionModes(sessionId: string): Promise<SessionModes | null> {
    return this.getModes(sessionId);
  }
  /** The same as {@link getConfigOptions}. */
  getSessionConfigOptions(sessionId: string): Promise<ConfigOption[]> {
    return this.getConfigOptions(sessionId);
  }
  async getSessionCapabilities(sessionId: string): Promise<AgentCapabilities> {
    return (await this.getSession(sessionId)).capabilities;
  }
  async getSessionAgentInfo(sessionId: string): Promise<AgentInfo | null> {
    return (await this.getSession(sessionId)).agentInfo;
  }

  async getEvents(sessionId: string, query?: EventQuery): Promise<JsonRpcNotification[]> {
    return this.sessions.call("getEvents", [sessionId], query);
  }
  async getSequencedEvents(sessionId: string, query?: EventQuery): Promise<SequencedEvent[]> {
    return this.sessions.call("getSequencedEvents", [sessionId], query);
  }
  /** The same as {@link getSequencedEvents}, at once. */
  getSessionEvents(sessionId: string, query: EventQuery = {}): SequencedEvent[] {
    const { signal, ...rest } = query;
    signal?.throwIfAborted();
    return this.sessions.now("getSequencedEvents", [sessionId, rest]);
  }

  /**
   * The events of a session from a number on: those that are there, then each new one. It ends with the session or the VM. As
   * many events are read as are taken: who is slow delays nobody, and misses nothing.
   */
  followSession(sessionId: string, options: FollowOptions = {}): AsyncIterableIterator<SequencedEvent> {
    const { from = 0, signal, ...rest } = options;
    if (!Number.isSafeInteger(from) || from < 0) throw invalidArgument("options.from", "a whole number from 0 on", from);
    for (const [name, value] of Object.entries(rest)) throw invalidArgument(`options.${name}`, "from or signal", value);
    this.sessions.now("getSession", [sessionId]);
    return this.sessions.events.follow(sessionId, from, signal);
  }

  /** Any call of the agent's protocol, with the session's id in place. */
  async rawSend(sessionId: string, method: string, params?: unknown): Rpc {
    return this.sessions.call("rawSend", params === undefined ? [sessionId, method] : [sessionId, method, params]);
  }
  /** The same as {@link rawSend}. */
  rawSessionSend(sessionId: string, method: string, params?: unknown): Rpc {
    return this.rawSend(sessionId, method, params);
  }

  async respondPermission(
    sessionId: string,
    permissionId: string,
    reply: PermissionReply,
    options?: { scope?: GrantScope } & CallOptions,
  ): Rpc<{ permissionId: string; reply: PermissionReply; via: string }> {
    return this.sessions.call("respondPermission", [sessionId, permissionId, reply], options);
  }
  /** Requests that wait for an answer. */
  async listPendingPermissions(sessionId?: string): Promise<PermissionRequest[]> {
    return this.sessions.call("listPendingPermissions", sessionId === undefined ? [] : [sessionId]);
  }
  /** Permissions that were given for longer. */
  async listPermissionGrants(sessionId?: string): Promise<Grant[]> {
    return this.sessions.call("listPermissionGrants", sessionId === undefined ? [] : [sessionId]);
  }
  /** Takes a permission back; whether there was one. */
  async revokePermissionGrant(grantId: string): Promise<boolean> {
    return this.sessions.call("revokePermissionGrant", [grantId]);
  }

  /**
   * Listens to a session; the second argument is the event's number. The first listener gets what was before it as well, the
   * last 64 KiB.
   */
  onSessionEvent(sessionId: string, listener: (event: JsonRpcNotification, sequenceNumber: number) => void): () => void {
    return this.sessions.events.listen(sessionId, checked(listener));
  }
  /** Listens to requests for permission, those that wait already included; they are answered by {@link respondPermission}. */
  onPermissionRequest(sessionId: string, listener: (request: PermissionRequest) => void): () => void {
    const ways = this.sessions;
    checked(listener);
    ways.now("getSession", [sessionId]);
    return ways.events.onRequest(sessionId, ways.now("listPendingPermissions", [sessionId]), listener);
  }
  /** Listens to what agents write to standard error. What comes faster than it is taken is left out. */
  onAgentStderr(listener: (event: { sessionId: string; data: Uint8Array }) => void): () => void {
    return this.sessions.events.onStderr(checked(listener));
  }
  /** Listens to agents that end by themselves, and what was done about it. */
  onAgentExit(listener: (event: AgentCrashedEvent) => void): () => void {
    return this.sessions.events.onExit(checked(listener));
  }
}

function checked<F>(listener: F): F {
  if (typeof listener === "function") return listener;
  throw invalidArgument("listener", "a function", listener);
}

/** Options with the values of the host's secrets in the place of references to them. */
function revealed(options: Omit<CreateSessionOptions, "signal">): object {
  const env = (path: string, given: unknown) => (given === undefined ? {} : { [path.split(".").at(-1) as string]: environment(path, given) });
  return {
    ...options,
    ...env("options.env", options.env),
    ...(Array.isArray(options.mcpServers)
      ? {
          mcpServers: options.mcpServers.map((server, at) => ({
            ...server,
            ...env(`options.mcpServers[${at}].env`, "env" in server ? server.env : undefined),
            ...env(`options.mcpServers[${at}].headers`, "headers" in server ? server.headers : undefined),
          })),
        }
      : {}),
  };
}
