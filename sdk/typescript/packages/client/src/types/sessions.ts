/** Agents in the VM. */
import type { CallOptions, EnvValue } from "./common.js";

/** A message of an agent that expects no answer. */
export interface JsonRpcNotification {
  jsonrpc: "2.0";
  method: string;
  params?: unknown;
}

/** An agent's answer. */
export interface JsonRpcResponse<T = unknown> {
  jsonrpc: "2.0";
  id: number | string | null;
  result?: T;
  error?: { code: number; message: string; data?: unknown };
}

/** A server of tools for an agent. */
export type McpServer =
  | { type: "local"; name?: string; command: string; args?: string[]; env?: Record<string, EnvValue> }
  | { type: "remote"; name?: string; url: string; headers?: Record<string, EnvValue> };

/** How a session begins. */
export interface CreateSessionOptions extends CallOptions {
  cwd?: string;
  env?: Record<string, EnvValue>;
  mcpServers?: McpServer[];
  /** Leaves out the text that describes the VM. */
  skipOsInstructions?: boolean;
  /** Added to the system prompt. */
  additionalInstructions?: string;
  /** What happens to requests for permission; `ask` unless given. */
  permissionPolicy?: "ask" | "reject_all" | "allow_all";
}

/** What an agent can do. More members are possible. */
export interface AgentCapabilities {
  permissions?: boolean;
  plan_mode?: boolean;
  questions?: boolean;
  tool_calls?: boolean;
  text_messages?: boolean;
  images?: boolean;
  file_attachments?: boolean;
  session_lifecycle?: boolean;
  error_events?: boolean;
  reasoning?: boolean;
  status?: boolean;
  streaming_deltas?: boolean;
  mcp_tools?: boolean;
  promptCapabilities?: { audio?: boolean; embeddedContext?: boolean; image?: boolean };
  [capability: string]: unknown;
}

/** What an agent says about itself. */
export interface AgentInfo {
  name: string;
  title?: string;
  version?: string;
  [field: string]: unknown;
}

/** Where a session is in its life. */
export type SessionStatus = "live" | "suspended" | "closed";

/** A session. */
export interface SessionRecord {
  sessionId: string;
  agentType: string;
  capabilities: AgentCapabilities;
  agentInfo: AgentInfo | null;
  status: SessionStatus;
}

/** A session in a list. */
export interface SessionSummary {
  sessionId: string;
  agentType: string;
  status: SessionStatus;
}

/** A session with its past. */
export interface PersistedSession extends SessionRecord {
  /** Milliseconds since 1970. */
  createdAt: number;
}

/** Which events are read. `since` includes its number, `after` does not; not both. */
export interface EventQuery extends CallOptions {
  since?: number;
  after?: number;
  before?: number;
  method?: string;
  limit?: number;
}

/** An event with its number: numbers of a session have no gaps. */
export interface SequencedEvent {
  sequenceNumber: number;
  notification: JsonRpcNotification;
}

/** An event as it is stored. */
export interface StoredSessionEvent {
  sessionId: string;
  seq: number;
  event: JsonRpcNotification;
  createdAt: number;
}

/** Modes of an agent. */
export interface SessionModes {
  currentModeId: string;
  availableModes: { id: string; name?: string; label?: string; description?: string }[];
}

/** A setting of an agent. */
export interface ConfigOption {
  id: string;
  category?: string;
  label?: string;
  description?: string;
  currentValue?: unknown;
  allowedValues?: { id: string; label?: string }[];
  readOnly?: boolean;
}

/** Settings after a change. */
export interface ConfigResult {
  configOptions: ConfigOption[];
}

/** What an agent asks for. */
export interface PermissionRequest {
  permissionId: string;
  description?: string;
  params: unknown;
  sessionId: string;
  toolName?: string;
  toolKind?: string;
  toolCallId?: string;
  paths?: string[];
  command?: string;
  /** Changes of files that would be made. */
  diff?: { path: string; oldText?: string | null; newText: string }[];
  options: { optionId: string; kind: string; name: string }[];
  createdAt: number;
}

/** How a request for permission is answered. */
export type PermissionReply = "once" | "always" | "reject";

/** What `always` covers. */
export interface GrantScope {
  toolName?: string;
  toolKind?: string;
  paths?: string[];
  command?: string;
  expiresInSeconds?: number;
}

/** A permission that was given for longer. */
export interface Grant {
  grantId: string;
  sessionId: string;
  reply: "always";
  scope: GrantScope;
  createdAt: number;
  expiresAt: number | null;
  uses: number;
}

/** An agent that the VM could run. */
export interface AgentListing {
  id: string;
  acpAdapter: string;
  agentPackage: string;
  installed: boolean;
}

/** What a prompt led to. */
export interface PromptResult {
  response: JsonRpcResponse;
  /** The text of all messages of the agent, joined. */
  text: string;
}

/** Actions on sessions. */
export interface SessionActions {
  /** Agents that the VM's software brings. */
  listAgents(): Promise<AgentListing[]>;
  /** Starts an agent. */
  createSession(agentType: string, options?: CreateSessionOptions): Promise<SessionRecord>;
  /** Sessions that are not closed, oldest first. */
  listSessions(): Promise<SessionSummary[]>;
  /** One session. */
  getSession(sessionId: string): Promise<SessionRecord>;
  /** Goes on with a session, also a closed one. */
  resumeSession(sessionId: string): Promise<{ sessionId: string; via: "live" | "loaded" | "transcript" }>;
  /** Prompts an agent and waits until it is done; what it does meanwhile arrives as events `sessionEvent`. */
  sendPrompt(sessionId: string, text: string, options?: { timeoutMs?: number } & CallOptions): Promise<PromptResult>;
  /** Cancels the prompt that runs. */
  cancelPrompt(sessionId: string): Promise<JsonRpcResponse<{ cancelled: boolean; requested: boolean; via: string }>>;
  /** Stops the agent; record and history stay. */
  closeSession(sessionId: string): Promise<void>;
  /** Stops the agent and deletes all about the session. */
  destroySession(sessionId: string): Promise<void>;
  /** Chooses the model. */
  setModel(sessionId: string, model: string): Promise<JsonRpcResponse<ConfigResult>>;
  /** Chooses the mode. */
  setMode(sessionId: string, mode: string): Promise<JsonRpcResponse<ConfigResult>>;
  /** Chooses how much the agent thinks. */
  setThoughtLevel(sessionId: string, level: string): Promise<JsonRpcResponse<ConfigResult>>;
  /** The agent's modes. */
  getModes(sessionId: string): Promise<SessionModes | null>;
  /** The agent's settings. */
  getConfigOptions(sessionId: string): Promise<ConfigOption[]>;
  /** Events of a session. */
  getEvents(sessionId: string, query?: EventQuery): Promise<JsonRpcNotification[]>;
  /** Events of a session with their numbers: what a connection missed is read with `after`. */
  getSequencedEvents(sessionId: string, query?: EventQuery): Promise<SequencedEvent[]>;
  /** Events of a session as they are stored. */
  getSessionEvents(sessionId: string, query?: EventQuery): Promise<StoredSessionEvent[]>;
  /** All sessions ever, newest first unless asked otherwise. */
  listPersistedSessions(options?: { order?: "desc" | "asc" } & CallOptions): Promise<PersistedSession[]>;
  /** Any call of the Agent Client Protocol. */
  rawSend(sessionId: string, method: string, params?: unknown): Promise<JsonRpcResponse>;
  /** Answers a request for permission. */
  respondPermission(
    sessionId: string,
    permissionId: string,
    reply: PermissionReply,
    options?: { scope?: GrantScope } & CallOptions,
  ): Promise<JsonRpcResponse<{ permissionId: string; reply: PermissionReply; via: string }>>;
  /** Requests that wait for an answer, of one session or of all. */
  listPendingPermissions(sessionId?: string): Promise<PermissionRequest[]>;
  /** Permissions that were given for longer. */
  listPermissionGrants(sessionId?: string): Promise<Grant[]>;
  /** Takes one back; says whether it was there. */
  revokePermissionGrant(grantId: string): Promise<boolean>;
}
