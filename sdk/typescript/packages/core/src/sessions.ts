/**
 * Sessions of an embedded VM. The layer that runs agents is not there yet: every call says so in the same way, and nothing
 * else of the VM suffers. Names are those of the actions and, for some, those of the core (api.md section 10).
 */
import type {
  AgentCapabilities, AgentInfo, AgentListing, ConfigOption, ConfigResult, CreateSessionOptions, EventQuery, Grant,
  GrantScope, JsonRpcNotification, JsonRpcResponse, PermissionReply, PermissionRequest, PromptResult, SequencedEvent,
  SessionModes, SessionRecord, SessionSummary,
} from "@agentos/client";
import { unsupported } from "./errors.js";
import type { Agent } from "./software.js";

type Rpc<T = unknown> = Promise<JsonRpcResponse<T>>;
type Configured = Rpc<ConfigResult>;

function missing(what: string): never {
  throw unsupported(`${what}: the session layer is not there yet, so agents do not run in embedded VMs`);
}

/** The methods of sessions. */
export abstract class SessionMethods {
  /** The agents that the VM's software brings. */
  protected abstract readonly agents: readonly Agent[];

  /** Agents that the VM's software brings. */
  async listAgents(): Promise<AgentListing[]> {
    return this.agents.map((agent) => ({ ...agent, installed: false }));
  }

  /** Sessions that are not closed: none. */
  async listSessions(): Promise<SessionSummary[]> {
    return [];
  }

  async createSession(agentType: string, options?: CreateSessionOptions): Promise<SessionRecord> {
    void options;
    return missing(`createSession(${JSON.stringify(agentType)})`);
  }
  async getSession(sessionId: string): Promise<SessionRecord> {
    return missing(`getSession(${JSON.stringify(sessionId)})`);
  }
  async resumeSession(sessionId: string): Promise<{ sessionId: string; via: "live" | "loaded" | "transcript" }> {
    return missing(`resumeSession(${JSON.stringify(sessionId)})`);
  }
  async sendPrompt(sessionId: string, text: string, options?: { timeoutMs?: number }): Promise<PromptResult> {
    void [text, options];
    return missing(`sendPrompt(${JSON.stringify(sessionId)})`);
  }
  /** The same as {@link sendPrompt}. */
  prompt(sessionId: string, text: string, options?: { timeoutMs?: number }): Promise<PromptResult> {
    return this.sendPrompt(sessionId, text, options);
  }
  async cancelPrompt(sessionId: string): Rpc<{ cancelled: boolean; requested: boolean; via: string }> {
    return missing(`cancelPrompt(${JSON.stringify(sessionId)})`);
  }
  /** The same as {@link cancelPrompt}. */
  cancelSession(sessionId: string): Rpc<{ cancelled: boolean; requested: boolean; via: string }> {
    return this.cancelPrompt(sessionId);
  }
  closeSession(sessionId: string): void {
    missing(`closeSession(${JSON.stringify(sessionId)})`);
  }
  async destroySession(sessionId: string): Promise<void> {
    missing(`destroySession(${JSON.stringify(sessionId)})`);
  }
  async setModel(sessionId: string, model: string): Configured {
    void model;
    return missing(`setModel(${JSON.stringify(sessionId)})`);
  }
  async setMode(sessionId: string, mode: string): Configured {
    void mode;
    return missing(`setMode(${JSON.stringify(sessionId)})`);
  }
  async setThoughtLevel(sessionId: string, level: string): Configured {
    void level;
    return missing(`setThoughtLevel(${JSON.stringify(sessionId)})`);
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
    return missing(`getModes(${JSON.stringify(sessionId)})`);
  }
  async getConfigOptions(sessionId: string): Promise<ConfigOption[]> {
    return missing(`getConfigOptions(${JSON.stringify(sessionId)})`);
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
    return missing(`getSessionCapabilities(${JSON.stringify(sessionId)})`);
  }
  async getSessionAgentInfo(sessionId: string): Promise<AgentInfo | null> {
    return missing(`getSessionAgentInfo(${JSON.stringify(sessionId)})`);
  }
  async getEvents(sessionId: string, query?: EventQuery): Promise<JsonRpcNotification[]> {
    void query;
    return missing(`getEvents(${JSON.stringify(sessionId)})`);
  }
  async getSequencedEvents(sessionId: string, query?: EventQuery): Promise<SequencedEvent[]> {
    void query;
    return missing(`getSequencedEvents(${JSON.stringify(sessionId)})`);
  }
  getSessionEvents(sessionId: string, query?: EventQuery): SequencedEvent[] {
    void query;
    return missing(`getSessionEvents(${JSON.stringify(sessionId)})`);
  }
  async rawSend(sessionId: string, method: string, params?: unknown): Rpc {
    void [method, params];
    return missing(`rawSend(${JSON.stringify(sessionId)})`);
  }
  /** The same as {@link rawSend}. */
  rawSessionSend(sessionId: string, method: string, params?: unknown): Rpc {
    return this.rawSend(sessionId, method, params);
  }
  async respondPermission(
    sessionId: string,
    permissionId: string,
    reply: PermissionReply,
    options?: { scope?: GrantScope },
  ): Rpc<{ permissionId: string; reply: PermissionReply; via: string }> {
    void [permissionId, reply, options];
    return missing(`respondPermission(${JSON.stringify(sessionId)})`);
  }
  /** Requests that wait for an answer: none. */
  async listPendingPermissions(sessionId?: string): Promise<PermissionRequest[]> {
    void sessionId;
    return [];
  }
  /** Permissions that were given for longer: none. */
  async listPermissionGrants(sessionId?: string): Promise<Grant[]> {
    void sessionId;
    return [];
  }
  /** Takes a permission back: there is none. */
  async revokePermissionGrant(grantId: string): Promise<boolean> {
    void grantId;
    return false;
  }
  onSessionEvent(sessionId: string, listener: (event: JsonRpcNotification) => void): () => void {
    void listener;
    return missing(`onSessionEvent(${JSON.stringify(sessionId)})`);
  }
  onPermissionRequest(sessionId: string, listener: (request: PermissionRequest) => void): () => void {
    void listener;
    return missing(`onPermissionRequest(${JSON.stringify(sessionId)})`);
  }
  /** Listens to what agents write to standard error. */
  onAgentStderr(listener: (event: { sessionId: string; data: Uint8Array }) => void): () => void {
    void listener;
    return () => {};
  }
  /** Listens to agents that end by themselves. */
  onAgentExit(listener: (event: { sessionId: string; exitCode: number }) => void): () => void {
    void listener;
    return () => {};
  }
}
