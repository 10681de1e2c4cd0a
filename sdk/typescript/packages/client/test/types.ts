// Types, checked by the compiler; nothing here runs. A line below `@ts-expect-error` must not compile.
import { createClient } from "../dist/index.js";
import type {
  ActorError,
  Client,
  DefinitionTypes,
  ExecResult,
  HandleOf,
  ProcessOutputEvent,
  RegistryTypes,
  VirtualStat,
  VmDefinitionTypes,
} from "../dist/index.js";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function is<T extends true>(): T {
  return true as T;
}

interface CounterActions {
  increment(by: number): Promise<number>;
  reset(): Promise<void>;
}
declare const registry: RegistryTypes<{
  vm: VmDefinitionTypes<{ authToken: string }>;
  counter: DefinitionTypes<CounterActions, { changed: [count: number, by: string] }, unknown, { start: number }>;
}>;

export async function typed(): Promise<void> {
  const client = createClient<typeof registry>("http://127.0.0.1:6420");
  const vm = client.vm.getOrCreate(["a", "b"], { params: { authToken: "x" } });
  client.vm.get("a", { getParams: async () => ({ authToken: "x" }) });
  // @ts-expect-error another type of parameters
  client.vm.getOrCreate("a", { params: { authToken: 5 } });
  // @ts-expect-error no such definition
  client.nothing;
  // @ts-expect-error a key is text
  client.vm.getOrCreate([5]);

  is<Equal<Awaited<ReturnType<typeof vm.stat>>, VirtualStat>>();
  const text: ExecResult<string> = await vm.exec("ls", { cwd: "/", signal: new AbortController().signal });
  const bytes: ExecResult<Uint8Array> = await vm.exec("ls", { encoding: "buffer" });
  const read: Uint8Array = await vm.readFile("/a", { offset: 1, length: 2 });
  const decision: "allow" | "deny" = (await vm.policy.explain("fs", "read", "/a")).decision;
  const pid: number = (await vm.spawn("ls", [])).pid;
  is<Equal<Awaited<ReturnType<typeof vm.getProcessLog>>["stdout"], { head: Uint8Array; tail: Uint8Array; discarded: number }>>();
  // @ts-expect-error a command is text
  await vm.exec(5);
  // @ts-expect-error no such option
  await vm.exec("ls", { cdw: "/" });
  // @ts-expect-error no such action
  await vm.execute("ls");
  // @ts-expect-error output is text unless asked otherwise
  const wrong: ExecResult<Uint8Array> = await vm.exec("ls");
  // @ts-expect-error an outcome that does not exist
  await vm.respondPermission("s", "p", "maybe");
  void [text, bytes, read, decision, pid, wrong];

  const off: () => void = vm.on("processOutput", (event) => is<Equal<typeof event, ProcessOutputEvent>>());
  off();
  vm.on("cronEvent", ({ event }) => {
    if (event.type === "cron:complete") event.durationMs.toFixed();
    // @ts-expect-error only a completed job has a duration
    event.durationMs;
  });
  // @ts-expect-error no such event
  vm.on("processOutputs", () => {});

  const connection = vm.connect();
  connection.on("sessionEvent", ({ seq }) => seq.toFixed());
  connection.onOpen(({ gap }) => gap?.since.toFixed());
  connection.onError((error) => is<Equal<typeof error, ActorError>>());
  connection.onClose(({ reconnecting }) => is<Equal<typeof reconnecting, boolean>>());
  is<Equal<typeof connection.connStatus, "connecting" | "connected" | "disconnected" | "closed">>();
  // @ts-expect-error statuses are read
  connection.connStatus = "connected";
  await connection.stat("/");
  await using scoped = vm.connect();
  await scoped.exec("ls");
}

export async function custom(): Promise<void> {
  const client = createClient<typeof registry>({ endpoint: "http://127.0.0.1:6420", encoding: "cbor", token: "t" });
  const counter = await client.counter.create("a", { input: { start: 1 } });
  const count: number = await counter.increment(1);
  counter.on("changed", (to, by) => `${to.toFixed()} ${by.trim()}`);
  const again: number = await counter.action({ name: "increment", args: [1], timeoutMs: 5 });
  // @ts-expect-error another argument
  await counter.action({ name: "increment", args: ["1"] });
  // @ts-expect-error another input
  client.counter.getOrCreate("a", { input: 5 });
  // @ts-expect-error another encoding
  createClient({ encoding: "xml" });
  void [count, again];
}

export async function untyped(): Promise<void> {
  const client = createClient("http://127.0.0.1:6420");
  const vm = client.anything!.getOrCreate("a");
  const result = await vm.exec!("ls", { a: 1 });
  result.stdout.trim();
  await vm.policy!.explain("fs", "read", "/");
  vm.on("whatever", (...args) => args.length);
  const handles: Client<unknown> = client;
  void handles;
}

/** A function over handles of VMs, whatever the registry. */
export async function generic(vm: HandleOf<VmDefinitionTypes>): Promise<string> {
  return (await vm.exec("echo hi")).stdout;
}
