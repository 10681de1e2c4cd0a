// The types of the package by what gives and takes them, checked by the compiler; nothing here runs. A line below
// `@ts-expect-error` must not compile. That none is missing is tested by `sdk/typescript/test/exported.test.mjs`.
import { ActorError, UserError } from "../dist/index.js";
import type {
  Accessor,
  ActionsOf,
  AgentCapabilities,
  AgentInfo,
  AgentListing,
  AnyAction,
  AnyActions,
  AnyEvents,
  CallOptions,
  Client,
  ClientErrorCode,
  ClientMembers,
  CloseInfo,
  ConfigOption,
  ConfigResult,
  Connection,
  ConnectionMembers,
  ConnectionOf,
  ConnectionStatus,
  CreateOptions,
  CreateSessionOptions,
  CronAction,
  CronOverlap,
  DefinitionTypes,
  DefinitionsOf,
  DirectoryEntry,
  ErrorShape,
  EventArgs,
  EventMap,
  EventName,
  EventQuery,
  EventsOf,
  ExecOptions,
  FileActions,
  GetOptions,
  Grant,
  GrantScope,
  Handle,
  HandleMembers,
  HandleOf,
  InputOf,
  JsonRpcNotification,
  JsonRpcResponse,
  Key,
  LifeActions,
  LimitExceeded,
  LimitWarningEvent,
  McpServer,
  NetworkActions,
  OpenInfo,
  ParamsOf,
  PermissionReply,
  PermissionRequestEvent,
  PermissionResolvedEvent,
  PersistedSession,
  PolicyActions,
  PreviewInfo,
  ProcessActions,
  ProcessExitEvent,
  ProcessLog,
  ProcessTreeNode,
  QueueResponse,
  ReadFileResult,
  RegistryTypes,
  SessionActions,
  SessionEvent,
  SessionModes,
  SessionStatus,
  SessionSummary,
  ShellActions,
  ShellDataEvent,
  ShellExitEvent,
  SignalName,
  SignedPreviewUrl,
  StoredSessionEvent,
  StreamErrorEvent,
  StreamLog,
  Subscriptions,
  Unsubscribe,
  UserErrorOptions,
  VmActions,
  VmBootedEvent,
  VmDefinitionTypes,
  VmEvents,
  VmShutdownEvent,
  WriteFileEntry,
  WriteFileResult,
} from "../dist/index.js";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Extends<A, B> = [A] extends [B] ? true : false;
/** What an action of a VM resolves to. */
type Given<Name extends keyof VmActions> = VmActions[Name] extends (...args: never[]) => Promise<infer Result> ? Result : never;
function is<T extends true>(): T {
  return true as T;
}

interface Shop {
  buy(what: string): Promise<number>;
}
interface Sold {
  sold: [what: string, count: number];
}
type ShopTypes = DefinitionTypes<Shop, Sold, { user: string }, { stock: number }>;
type Use = { shop: ShopTypes; vm: VmDefinitionTypes };

export function definitions(client: Client<RegistryTypes<Use>>): void {
  is<Equal<ActionsOf<ShopTypes>, Shop>>();
  is<Equal<EventsOf<ShopTypes>, Sold>>();
  is<Equal<ParamsOf<ShopTypes>, { user: string }>>();
  is<Equal<InputOf<ShopTypes>, { stock: number }>>();
  is<Equal<DefinitionsOf<RegistryTypes<Use>>, Use>>();
  is<Equal<ActionsOf<VmDefinitionTypes>, VmActions>>();
  is<Equal<EventsOf<VmDefinitionTypes>, VmEvents>>();
  is<Equal<EventName<Sold>, "sold">>();
  is<Equal<EventArgs<Sold, "sold">, [what: string, count: number]>>();
  is<Equal<EventArgs<Sold, "bought">, never>>();
  is<Extends<AnyEvents, EventMap>>();
  is<Extends<AnyActions[string], AnyAction>>();
  is<Extends<typeof client, ClientMembers>>();
  const shops: Accessor<ShopTypes> = client.shop;
  const create: CreateOptions<{ user: string }, { stock: number }> = { params: { user: "u" }, input: { stock: 1 } };
  const get: GetOptions<{ user: string }> = { getParams: () => ({ user: "u" }) };
  // @ts-expect-error what is only got has no input
  const wrong: GetOptions<{ user: string }> = { input: { stock: 1 } };
  const key: Key = ["a", "b"];
  const handle: HandleOf<ShopTypes> = shops.getOrCreate(key, create);
  const same: Handle<Shop, Sold> = shops.get("a", get);
  const members: HandleMembers<Shop, Sold> = same;
  const listening: Subscriptions<Sold> = handle;
  const off: Unsubscribe = listening.on("sold", (what, count) => `${what.trim()}${count.toFixed()}`);
  // @ts-expect-error no such event
  listening.on("bought", () => {});
  const connection: ConnectionOf<ShopTypes> = members.connect();
  const open: Connection<Shop, Sold> = connection;
  const parts: ConnectionMembers<Shop, Sold> = open;
  is<Equal<typeof parts.connStatus, ConnectionStatus>>();
  parts.onOpen((info) => is<Equal<typeof info, OpenInfo>>());
  parts.onClose((info) => is<Equal<typeof info, CloseInfo>>());
  is<Equal<Awaited<ReturnType<typeof members.send>>, QueueResponse>>();
  void [off, wrong];
}

export function errors(): void {
  const shape: ErrorShape = new ActorError("agentos", "ENOENT", "no such file").toJSON();
  const options: UserErrorOptions = { code: "no", metadata: { a: 1 } };
  const error: ActorError = new UserError("no", options);
  const code: ClientErrorCode = "timed_out";
  // @ts-expect-error no such code of the client's
  const wrong: ClientErrorCode = "ENOENT";
  // @ts-expect-error a code is text
  const numbered: UserErrorOptions = { code: 5 };
  void [ActorError.from(shape), error.is("client", code), wrong, numbered];
}

export function actions(): void {
  is<Extends<VmActions, FileActions & ProcessActions & ShellActions & NetworkActions & SessionActions & LifeActions>>();
  is<Equal<VmActions["policy"], PolicyActions>>();
  is<Equal<Given<"readFiles">, ReadFileResult[]>>();
  is<Equal<Parameters<VmActions["writeFiles"]>[0], WriteFileEntry[]>>();
  is<Equal<Given<"writeFiles">, WriteFileResult[]>>();
  is<Equal<Given<"readdirRecursive">, DirectoryEntry[]>>();
  is<Equal<Given<"processTree">, ProcessTreeNode[]>>();
  is<Equal<ProcessTreeNode["children"], ProcessTreeNode[]>>();
  is<Equal<Given<"getProcessLog">, ProcessLog>>();
  is<Equal<ProcessLog["stdout"], StreamLog>>();
  is<Equal<Parameters<VmActions["signalProcess"]>[1], SignalName>>();
  is<Equal<Given<"createSignedPreviewUrl">, SignedPreviewUrl>>();
  is<Equal<Given<"listPreviews">, PreviewInfo[]>>();
  is<Equal<Given<"listAgents">, AgentListing[]>>();
  is<Equal<Given<"listSessions">, SessionSummary[]>>();
  is<Equal<SessionSummary["status"], SessionStatus>>();
  is<Equal<SessionStatus, "live" | "suspended" | "closed">>();
  is<Equal<Given<"listPersistedSessions">, PersistedSession[]>>();
  is<Equal<PersistedSession["capabilities"], AgentCapabilities>>();
  is<Equal<PersistedSession["agentInfo"], AgentInfo | null>>();
  is<Equal<Given<"getModes">, SessionModes | null>>();
  is<Equal<Given<"getConfigOptions">, ConfigOption[]>>();
  is<Equal<Given<"setModel">, JsonRpcResponse<ConfigResult>>>();
  is<Equal<ConfigResult["configOptions"], ConfigOption[]>>();
  is<Equal<Given<"getEvents">, JsonRpcNotification[]>>();
  is<Equal<Given<"getSessionEvents">, StoredSessionEvent[]>>();
  is<Equal<Given<"listPermissionGrants">, Grant[]>>();
  is<Equal<Grant["scope"], GrantScope>>();
  is<Equal<Parameters<VmActions["respondPermission"]>[2], PermissionReply>>();
  const query: EventQuery = { after: 5, limit: 10 };
  // @ts-expect-error a number, not a text
  const wrongQuery: EventQuery = { after: "5" };
  const call: CallOptions = { signal: AbortSignal.timeout(5) };
  const exec: ExecOptions = { ...call, timingMitigation: "freeze", env: { KEY: { secret: "KEY" } } };
  // @ts-expect-error no such mitigation
  const wrongExec: ExecOptions = { timingMitigation: "on" };
  const servers: McpServer[] = [
    { type: "local", command: "server" },
    { type: "remote", url: "https://example.com/mcp" },
    // @ts-expect-error a remote one has an address
    { type: "remote", command: "server" },
  ];
  const session: CreateSessionOptions = { mcpServers: servers, permissionPolicy: "ask" };
  const job: CronAction = { type: "session", agentType: "pi", prompt: "Look.", options: { cwd: "/" } };
  const overlap: CronOverlap = "queue";
  // @ts-expect-error no such way
  const wrongOverlap: CronOverlap = "drop";
  void [query, wrongQuery, exec, wrongExec, session, job, overlap, wrongOverlap];
}

export function events(): void {
  is<Equal<VmEvents["sessionEvent"], [SessionEvent]>>();
  is<Equal<SessionEvent["event"], JsonRpcNotification>>();
  is<Equal<VmEvents["permissionRequest"], [PermissionRequestEvent]>>();
  is<Equal<VmEvents["permissionResolved"], [PermissionResolvedEvent]>>();
  is<Equal<VmEvents["processExit"], [ProcessExitEvent]>>();
  is<Equal<ProcessExitEvent["limit"], LimitExceeded | undefined>>();
  is<Equal<VmEvents["shellData"], [ShellDataEvent]>>();
  is<Equal<VmEvents["shellExit"], [ShellExitEvent]>>();
  is<Equal<VmEvents["vmBooted"], [VmBootedEvent]>>();
  is<Equal<VmEvents["vmShutdown"], [VmShutdownEvent]>>();
  is<Equal<VmEvents["limitWarning"], [LimitWarningEvent]>>();
  is<Equal<VmEvents["streamError"], [StreamErrorEvent]>>();
  is<Equal<VmShutdownEvent["reason"], "sleep" | "destroy" | "error">>();
}
