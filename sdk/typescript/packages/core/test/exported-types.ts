/**
 * The types of the package by what gives and takes them, checked by the compiler; nothing here runs. A line below
 * `@ts-expect-error` must not compile. That none is missing is tested by `sdk/typescript/test/exported.test.mjs`.
 */
import {
  type AddedSoftware, type AgentOs, type AgentOsOptions, type Backend, type CoreCronAction, type CoreCronJobInfo, type CoreCronJobOptions, type DriverEntry,
  type DriverStat, type FilesystemDriver, type FollowOptions, type HostFiles, type HostTool, type JsonSchema, type MountInfo, type NativePlugin,
  type ParsingSchema, type PermissionScope, type PromptOptions, type SecretConfig, type Sidecar, type SidecarDescription, type SoftwareDescriptor,
  type SoftwareInput, type TerminalOptions, type ToolContext, type ToolExample, type VmUsage, createInMemoryFileSystem, hostTool,
} from "@agentos/core";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function is<T extends true>(): T {
  return true as T;
}
/** What a method resolves to. */
type Given<Name extends keyof AgentOs> = AgentOs[Name] extends (...args: never[]) => infer Result ? Awaited<Result> : never;

export function methods(vm: AgentOs, sidecar: Sidecar): void {
  is<Equal<Given<"listMounts">, MountInfo[]>>();
  is<Equal<Given<"usage">, VmUsage>>();
  is<Equal<Given<"addSoftware">, AddedSoftware>>();
  is<Equal<AddedSoftware["agent"], string | undefined>>();
  is<Equal<Given<"listCronJobs">, CoreCronJobInfo[]>>();
  is<Equal<CoreCronJobInfo["action"], CoreCronAction>>();
  is<Equal<ReturnType<typeof sidecar.describe>, SidecarDescription>>();
  const files: HostFiles = vm.asHost();
  // @ts-expect-error files alone
  files.exec("true");
  const job: CoreCronJobOptions = { schedule: "* * * * *", action: { type: "callback", fn: () => 5 } };
  // @ts-expect-error no such action
  const wrongJob: CoreCronJobOptions = { schedule: "* * * * *", action: { type: "call", fn: () => 5 } };
  const prompt: PromptOptions = { timeoutMs: 5, signal: AbortSignal.timeout(5) };
  const follow: FollowOptions = { from: 5 };
  const terminal: TerminalOptions = { stdin: process.stdin, stdout: process.stdout, cols: 80 };
  // @ts-expect-error a terminal has no signal
  const wrongTerminal: TerminalOptions = { signal: AbortSignal.timeout(5) };
  void [vm.scheduleCron(job), vm.prompt("s", "text", prompt), vm.followSession("s", follow), vm.connectTerminal(terminal), wrongJob, wrongTerminal];
}

export function software(): void {
  const descriptor: SoftwareDescriptor = { name: "pi", type: "agent", agent: { id: "pi", command: ["pi", "--acp"] } };
  const input: SoftwareInput = ["common", [descriptor, "npm:cowsay"]];
  // @ts-expect-error no such kind
  const wrong: SoftwareDescriptor = { name: "pi", type: "agents" };
  // @ts-expect-error a package has a name
  const numbered: SoftwareInput = [5];
  void [input, wrong, numbered];
}

export function options(): void {
  const secret: SecretConfig = { name: "TOKEN", value: "t", hosts: ["example.com"], header: "authorization" };
  // @ts-expect-error for which hosts
  const wrongSecret: SecretConfig = { name: "TOKEN", value: "t" };
  const scope: PermissionScope = "deny";
  const options: AgentOsOptions = { secrets: [secret], permissions: { network: scope } };
  void [options, wrongSecret];
}

export function mounts(): void {
  const memory: Backend = createInMemoryFileSystem();
  const plugin: NativePlugin = { id: "host_dir", config: { hostPath: "/" } };
  const stat: DriverStat = { type: "file", size: 1, mtimeMs: 5 };
  // @ts-expect-error no such kind
  const wrong: DriverStat = { type: "socket", size: 1 };
  const entries: DriverEntry[] = ["a", { name: "b", type: "directory" }];
  const driver: FilesystemDriver = { stat: () => stat, readdir: async () => entries, readFile: () => "" };
  const options: AgentOsOptions = { mounts: [{ path: "/a", driver: memory }, { path: "/b", plugin }, { path: "/c", driver }] };
  void [options, wrong];
}

export function tools(): void {
  const schema: JsonSchema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
  // @ts-expect-error the input of a tool is an object
  const wrong: JsonSchema = { type: "string" };
  const parsing: ParsingSchema<{ city: string }> = { parse: (value) => value as { city: string } };
  const example: ToolExample<{ city: string }> = { description: "Paris", input: { city: "Paris" } };
  // @ts-expect-error of another input
  const other: ToolExample<{ city: string }> = { description: "Paris", input: { town: "Paris" } };
  const execute = (input: { city: string }, context: ToolContext): string => `${input.city}${context.pid}`;
  const tool: HostTool<{ city: string }, string> = hostTool({ description: "d", inputSchema: parsing, execute, examples: [example] });
  void [tool, hostTool({ description: "d", inputSchema: schema, execute: () => 5 }), wrong, other];
}
