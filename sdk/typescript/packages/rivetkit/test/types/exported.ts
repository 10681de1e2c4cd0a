// The types of the packages by what gives and takes them, checked by the compiler; nothing here runs. A line below
// `@ts-expect-error` must not compile. That none is missing is tested by `sdk/typescript/test/exported.test.mjs`.
import { actor, setup } from "rivetkit";
import type {
  Action, ActorConfig, ActorContext, Conn, ConnHookContext, Definition, Definitions, HookContext, HookRequest, ListenOptions, Logger, Schedule,
  ScheduledAction, ServerLimits, ServingRegistry, SetupConfig, VmDefinition,
} from "rivetkit";
import { agentOs } from "rivetkit/agent-os";
import type { AgentOsConfig, AgentOsOptions, AnyHook, AuditEvent, Limits, NetworkConfig, OptionsContext } from "rivetkit/agent-os";
import { db } from "rivetkit/db";
import type { Database, DatabaseProvider, Row, SqlValue } from "rivetkit/db";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function is<T extends true>(): T {
  return true as T;
}
interface Params {
  token: string;
}
interface State {
  admin: boolean;
}

export function vms(): VmDefinition<Params, { size: number }> {
  const limits: Limits = { resources: { maxProcesses: 64 }, plugins: { maxWaitingCalls: 8 } };
  // @ts-expect-error a limit is a number
  const wrongLimits: Limits = { resources: { maxProcesses: "64" } };
  const network: NetworkConfig = { dns: { servers: ["192.0.2.1"] }, listen: { minPort: 1024 } };
  // @ts-expect-error a port is a number
  const wrongNetwork: NetworkConfig = { listen: { minPort: "1024" } };
  const options = (c: OptionsContext<{ size: number }>): AgentOsOptions => ({ env: { SIZE: c.input.size.toFixed() }, limits, network });
  const audit = (c: HookContext, event: AuditEvent): void => c.log.info(event.event, event.correlationId);
  const config: AgentOsConfig<Params, State, { size: number }> = {
    options,
    onAuditEvent: audit,
    createConnState: (c: HookContext, params: Params): State => ({ admin: c.key.length > 0 && params.token !== "" }),
    onConnect(c: ConnHookContext<State, Params>, conn: Conn<State, Params>): void {
      is<Equal<typeof c.conn, Conn<State, Params>>>();
      conn.send("hello", c.conn.params.token, conn.state.admin);
    },
    onBeforeConnect(c: HookContext): void {
      is<Equal<typeof c.request, HookRequest | undefined>>();
      const log: Logger = c.log;
      log.debug(c.request?.headers.get("x-a"));
    },
  };
  const any: AnyHook = (c, ...args) => [c, args.length];
  void [wrongLimits, wrongNetwork, any];
  return agentOs(config);
}

export function actors(): Definition {
  const increment: Action<ActorContext<{ count: number }>> = (c, by: number) => (c.state.count += by);
  const config: ActorConfig<{ count: number }, State, Params, undefined, unknown, { increment: typeof increment }> = {
    state: { count: 0 },
    createConnState: () => ({ admin: false }),
    actions: { increment },
  };
  // @ts-expect-error a state is needed in another form
  const wrong: ActorConfig<{ count: number }, State, Params, undefined, unknown, {}> = { state: { count: "0" }, actions: {} };
  void wrong;
  return actor(config);
}

export async function scheduled(schedule: Schedule): Promise<number> {
  is<Equal<Awaited<ReturnType<Schedule["list"]>>, ScheduledAction[]>>();
  const [first] = await schedule.list();
  // @ts-expect-error a time is a number
  await schedule.at("tomorrow", "increment");
  return first?.at ?? 0;
}

export async function databases(database: Database): Promise<Row[]> {
  const provider: DatabaseProvider = db();
  const values: SqlValue[] = [1, "a", null, 5n, new Uint8Array()];
  // @ts-expect-error what SQLite does not store
  await database.execute("SELECT ?", { a: 1 });
  void provider;
  return database.execute("SELECT ?, ?, ?, ?, ?", ...values);
}

export async function served(): Promise<boolean> {
  const use: Definitions = { vm: vms(), counter: actors() };
  const limits: ServerLimits = { maxVms: 5 };
  const config: SetupConfig = { use, limits, cors: { origins: ["https://example.com"] } };
  // @ts-expect-error definitions are made by agentOs or actor
  const wrong: SetupConfig = { use: { vm: {} } };
  const options: ListenOptions = { host: "127.0.0.1", port: 0 };
  const serving: ServingRegistry = await setup(config).listen(options);
  void [wrong, serving.url.trim(), serving.port.toFixed()];
  return serving.close({ drain: true });
}
