/** The VM: {@link AgentOs}. */
import type {
  CallOptions, CronEvent, DirectoryEntry, ExecOptions, ExecResult, Explanation, LimitWarningEvent, OpenShellOptions,
  ProcessExitEvent, ProcessInfo, ProcessTreeNode, ReaddirRecursiveOptions, ReadFileOptions, ReadFileResult,
  RecursiveOptions, ShellInfo, SignalName, SpawnedProcess, SpawnOptions, VirtualStat, VmFetchInit, VmFetchResponse,
  VmStatus, WriteFileEntry, WriteFileOptions, WriteFileResult,
} from "@agentos/client";
import { isActorError } from "@agentos/client/errors";
import { call, invoke, listen, native, toError, unlisten, upcomingId } from "@agentos/native";
import { type Chains, chainsOf } from "./chains.js";
import { type CoreCronJobInfo, type CoreCronJobOptions, CronJobs } from "./cron.js";
import { disposed, invalidArgument } from "./errors.js";
import { Events } from "./events.js";
import { fetchFromVm } from "./fetch.js";
import { type Backend, type FilesystemDriver, type Hooks, abandon, flush, forget, nativeDriver } from "./mounts.js";
import { type AgentOsOptions, type Plan, environment, plan } from "./options.js";
import { guarded } from "./output.js";
import { Prompts } from "./prompts.js";
import { SessionMethods, type SessionWays } from "./sessions.js";
import { type Sidecar, createSidecar, sharedSidecar } from "./sidecar.js";
import { type AddedSoftware, type SoftwareDescriptor, readAdded } from "./software.js";
import { type TerminalOptions, connectTerminal } from "./terminal.js";

/** Options of `exec` and `execArgv` in an embedded VM. References in `env` are to secrets of the host. */
export interface CoreExecOptions extends ExecOptions {
  /** Gets output as it comes. */
  onStdout?: (data: Uint8Array) => void;
  /** Gets error output as it comes. */
  onStderr?: (data: Uint8Array) => void;
}

/** A mount of a VM. */
export interface MountInfo {
  path: string;
  kind: string;
  readOnly: boolean;
}

/** What a VM uses. */
export interface VmUsage {
  processes: number;
  processesStarted: number;
  openFds: number;
  filesystemBytes: number;
  inodes: number;
  memoryBytes: number;
  peakMemoryBytes: number;
  cpuTimeMs: number;
  limits: { name: string; observed: number; capacity: number }[];
}

/** The files of a VM at one moment, from which VMs can be created. */
export interface RootSnapshotExport {
  /** A VM with these files and the options of the original. */
  create(): Promise<AgentOs>;
  /**
   * The files as bytes for `AgentOs.create({ rootFilesystem: { snapshot } })`, in this process or another: a tar file of what
   * differs from the software.
   */
  toBytes(): Promise<Uint8Array>;
  /** Gives the files up. */
  dispose(): Promise<void>;
}

/** File calls without the permission policy. */
export type HostFiles = Pick<
  AgentOs,
  | "readFile" | "writeFile" | "readFiles" | "writeFiles" | "mkdir" | "readdir" | "readdirRecursive" | "stat" | "exists"
  | "move" | "deleteFile" | "delete"
>;

/** What belongs to one VM on this side. It does not know the handle. */
interface State {
  number: number;
  chains: Chains;
  events: Events;
  hooks: Hooks;
  sidecar: Sidecar;
  /** Ends the membership in the sidecar. */
  leave(): void;
  bootedAt: number;
}

const made: unique symbol = Symbol("made");

/** VMs whose handles were lost without being disposed. */
const lost = new FinalizationRegistry<State>((state) => {
  call((addon) => addon.vmRelease(state.number));
  tidy(state);
});

function tidy(state: State): void {
  unlisten(state.number);
  forget(state.hooks);
  state.events.close();
  state.leave();
}

/** Numbers of processes that could not be started; the VM's own stay far below. */
let failedPid = 2 ** 30;

let rested = false;

/** Gives back what starting needed once, now and when the threads that were started are at rest; after the first VM. Later the bridge does. */
function rest(): void {
  if (rested) return;
  rested = true;
  native().rest();
  setTimeout(() => native().rest(), REST_MS).unref();
}

/** Time that the threads of a first VM take to go to rest. */
const REST_MS = 50;

/** A virtual machine inside this process. */
export class AgentOs extends SessionMethods implements AsyncDisposable {
  readonly #state: State;
  readonly #failed = new Map<number, SpawnedProcess>();
  readonly #prompts = new Prompts();
  readonly #cronListeners = new Set<(event: CronEvent["event"]) => void>();
  readonly #scheduleDriver: Plan["scheduleDriver"];
  #cron: CronJobs | undefined;
  #end: Promise<void> | undefined;

  /** @internal Use {@link AgentOs.create}. */
  constructor(token: typeof made, state: State, scheduleDriver: Plan["scheduleDriver"]) {
    super();
    if (token !== made) throw new TypeError("use AgentOs.create()");
    this.#state = state;
    this.#scheduleDriver = scheduleDriver;
    listen(state.number, state.events.take);
    lost.register(this, state, this);
    const member = state.sidecar.add(this);
    state.leave = () => state.sidecar.remove(member);
  }

  /** Creates a VM. */
  static async create(options?: AgentOsOptions): Promise<AgentOs> {
    const { native: given, snapshot, hooks, sidecar, scheduleDriver } = plan(options);
    try {
      const number = await invoke<number>((addon, id) => addon.vmCreate(id, given, snapshot));
      rest();
      const state = { number, chains: chainsOf(hooks), events: new Events(number), hooks, sidecar, leave: () => {}, bootedAt: Date.now() };
      return new AgentOs(made, state, scheduleDriver);
    } catch (error) {
      forget(hooks);
      throw error;
    }
  }

  /** A group of VMs that are disposed together. */
  static async createSidecar(options?: { sidecarId?: string }): Promise<Sidecar> {
    return createSidecar(options);
  }

  /** The group that VMs belong to unless they name another. */
  static async getSharedSidecar(options?: { pool?: string }): Promise<Sidecar> {
    return sharedSidecar(options);
  }

  protected get sessions(): SessionWays {
    this.#check();
    const { events, number } = this.#state;
    return {
      events: events.sessions,
      prompts: this.#prompts,
      call: (name, args, options) => this.#call(name, args, options as CallOptions | undefined),
      now: (name, args) => call((addon) => addon.vmCallNow(number, name, args)),
    };
  }

  /** Whether the VM was disposed. */
  get isDisposed(): boolean {
    return this.#end !== undefined;
  }

  // Files

  readFile(path: string, options?: ReadFileOptions): Promise<Uint8Array> {
    return this.#call("readFile", [path], options);
  }
  writeFile(path: string, content: string | Uint8Array, options?: WriteFileOptions): Promise<void> {
    return this.#call("writeFile", [path, content], options);
  }
  readFiles(paths: string[]): Promise<ReadFileResult[]> {
    return this.#call("readFiles", [paths]);
  }
  writeFiles(files: WriteFileEntry[]): Promise<WriteFileResult[]> {
    return this.#call("writeFiles", [files]);
  }
  mkdir(path: string, options?: RecursiveOptions): Promise<void> {
    return this.#call("mkdir", [path], options);
  }
  readdir(path: string): Promise<string[]> {
    return this.#call("readdir", [path]);
  }
  readdirRecursive(path: string, options?: ReaddirRecursiveOptions): Promise<DirectoryEntry[]> {
    return this.#call("readdirRecursive", [path], options);
  }
  stat(path: string): Promise<VirtualStat> {
    return this.#call("stat", [path]);
  }
  exists(path: string): Promise<boolean> {
    return this.#call("exists", [path]);
  }
  move(from: string, to: string): Promise<void> {
    return this.#call("move", [from, to]);
  }
  deleteFile(path: string, options?: RecursiveOptions): Promise<void> {
    return this.#call("deleteFile", [path], options);
  }
  /** The same as {@link deleteFile}. */
  delete(path: string, options?: RecursiveOptions): Promise<void> {
    return this.#call("delete", [path], options);
  }

  /** File calls without the permission policy, for the host that seeds a VM. */
  asHost(): HostFiles {
    const host = <T>(name: string, args: unknown[], options?: CallOptions): Promise<T> => this.#call<T>(name, args, options, true);
    return {
      readFile: (path, options) => host("readFile", [path], options),
      writeFile: (path, content, options) => host("writeFile", [path, content], options),
      readFiles: (paths) => host("readFiles", [paths]),
      writeFiles: (files) => host("writeFiles", [files]),
      mkdir: (path, options) => host("mkdir", [path], options),
      readdir: (path) => host("readdir", [path]),
      readdirRecursive: (path, options) => host("readdirRecursive", [path], options),
      stat: (path) => host("stat", [path]),
      exists: (path) => host("exists", [path]),
      move: (from, to) => host("move", [from, to]),
      deleteFile: (path, options) => host("deleteFile", [path], options),
      delete: (path, options) => host("delete", [path], options),
    };
  }

  // Processes

  /** Runs `sh -c command` and waits for its end. */
  exec(command: string, options?: CoreExecOptions & { encoding?: "utf8" }): Promise<ExecResult>;
  exec(command: string, options: CoreExecOptions & { encoding: "buffer" }): Promise<ExecResult<Uint8Array>>;
  exec(command: string, options?: CoreExecOptions): Promise<ExecResult<any>> {
    return options === undefined ? this.#call("exec", [command]) : this.#exec(false, command, options);
  }

  /** Runs a program without a shell and waits for its end. */
  execArgv(argv: string[], options?: CoreExecOptions & { encoding?: "utf8" }): Promise<ExecResult>;
  execArgv(argv: string[], options: CoreExecOptions & { encoding: "buffer" }): Promise<ExecResult<Uint8Array>>;
  execArgv(argv: string[], options?: CoreExecOptions): Promise<ExecResult<any>> {
    return options === undefined ? this.#call("execArgv", [argv]) : this.#exec(true, argv, options);
  }

  async #exec(argv: boolean, command: string | string[], options: CoreExecOptions): Promise<ExecResult<any>> {
    this.#check();
    const { onStdout, onStderr, signal, ...rest } = options;
    for (const [name, listener] of Object.entries({ onStdout, onStderr })) {
      if (listener !== undefined && typeof listener !== "function") throw invalidArgument(`options.${name}`, "a function", listener);
    }
    const args = [command, withEnvironment(rest)];
    if (onStdout === undefined && onStderr === undefined) {
      return this.#call(argv ? "execArgv" : "exec", args, signal === undefined ? undefined : { signal });
    }
    const { number, events } = this.#state;
    const id = upcomingId();
    const shown = (listener: ((data: Uint8Array) => void) | undefined) =>
      listener && ((data: Uint8Array) => guarded("a listener of exec's output", () => listener(data)));
    const leave = this.#state.chains.enter();
    events.showExec(id, { onStdout: shown(onStdout), onStderr: shown(onStderr) });
    try {
      return await invoke<ExecResult<any>>((addon, given) => addon.vmExec(number, given, argv, args), signal);
    } finally {
      leave?.();
      events.hideExec(id);
      this.#keep();
    }
  }

  /** Starts a program. One that cannot be started ends at once with 127 (there is none) or 126, and says why on stderr. */
  spawn(command: string, args: string[] = [], options?: Omit<SpawnOptions, "signal">): { pid: number } {
    this.#check();
    const given = options === undefined ? [command, args] : [command, args, withEnvironment(options)];
    const leave = this.#state.chains.enter();
    try {
      const { pid } = call<{ pid: number }>((addon) => addon.vmCallNow(this.#state.number, "spawn", given));
      const { exit } = this.#state.events.beginProcess(pid);
      if (leave !== undefined) exit.subscribe(leave);
      return { pid };
    } catch (error) {
      leave?.();
      return { pid: this.#failedProcess(error, command, args) };
    }
  }

  #failedProcess(error: unknown, command: string, args: string[]): number {
    const [exitCode, text] = startFailure(error);
    const pid = ++failedPid;
    this.#failed.set(pid, { pid, command, args, running: false, exitCode });
    const oldest = this.#failed.size > 256 ? this.#failed.keys().next().value : undefined;
    if (oldest !== undefined) this.#failed.delete(oldest);
    const { events } = this.#state;
    events.beginProcess(pid).stderr.push(text);
    events.endProcess({ pid, exitCode });
    return pid;
  }

  /** Writes to a process's input; the promise waits while the pipe is full. */
  writeProcessStdin(pid: number, data: string | Uint8Array): Promise<void> {
    this.#started(pid);
    return quiet(this.#call("writeProcessStdin", [pid, data]));
  }
  /** Ends a process's input, after what was written before. */
  closeProcessStdin(pid: number): Promise<void> {
    this.#started(pid);
    return quiet(this.#call("closeProcessStdin", [pid]));
  }
  /** Waits for a process's end and its last output; resolves with its exit code. */
  async waitProcess(pid: number): Promise<number> {
    this.#check();
    const { exit } = this.#state.events.process(pid);
    const code = await new Promise<number>((resolve) => exit.subscribe((event) => resolve(event.exitCode)));
    this.#keep();
    return code;
  }
  /** What `spawn` started. */
  async listProcesses(): Promise<SpawnedProcess[]> {
    const started = await this.#call<SpawnedProcess[]>("listProcesses", []);
    return [...started, ...this.#failed.values()];
  }
  /** One of them. */
  async getProcess(pid: number): Promise<SpawnedProcess> {
    return this.#failed.get(pid) ?? this.#call("getProcess", [pid]);
  }
  allProcesses(): Promise<ProcessInfo[]> {
    return this.#call("allProcesses", []);
  }
  processTree(): Promise<ProcessTreeNode[]> {
    return this.#call("processTree", []);
  }
  /** SIGTERM. */
  stopProcess(pid: number): Promise<void> {
    return this.#signal("stopProcess", pid);
  }
  /** SIGKILL. */
  killProcess(pid: number): Promise<void> {
    return this.#signal("killProcess", pid);
  }
  /** Any signal. */
  signalProcess(pid: number, signal: SignalName): Promise<void> {
    return this.#signal("signalProcess", pid, signal);
  }

  #signal(name: string, pid: number, ...rest: unknown[]): Promise<void> {
    this.#check();
    // What never ran has ended.
    if (this.#failed.has(pid)) return Promise.resolve();
    return quiet(this.#call(name, [pid, ...rest]));
  }

  /** Fails for a process that `spawn` did not start. */
  #started(pid: number): void {
    this.#check();
    this.#state.events.process(pid);
  }

  onProcessStdout(pid: number, listener: (data: Uint8Array) => void): () => void {
    this.#check();
    return this.#state.events.process(pid).stdout.subscribe(checked("listener", listener));
  }
  onProcessStderr(pid: number, listener: (data: Uint8Array) => void): () => void {
    this.#check();
    return this.#state.events.process(pid).stderr.subscribe(checked("listener", listener));
  }
  onProcessExit(pid: number, listener: (exitCode: number, event: ProcessExitEvent) => void): () => void {
    this.#check();
    checked("listener", listener);
    return this.#state.events.process(pid).exit.subscribe((event) => listener(event.exitCode, event));
  }

  // Shells

  /** Opens a terminal. A program that cannot be started ends at once with 127 or 126. */
  openShell(options: Omit<OpenShellOptions, "signal"> = {}): { shellId: string } {
    this.#check();
    const { events, number } = this.#state;
    const leave = this.#state.chains.enter();
    try {
      const { shellId } = call<{ shellId: string }>((addon) => addon.vmCallNow(number, "openShell", [withEnvironment(options)]));
      const { exit } = events.beginShell(shellId);
      if (leave !== undefined) exit.subscribe(leave);
      return { shellId };
    } catch (error) {
      leave?.();
      const [exitCode, text] = startFailure(error);
      const shellId = `shell-failed-${++failedPid - 2 ** 30}`;
      events.beginShell(shellId).data.push(text);
      events.failShell(shellId, exitCode);
      return { shellId };
    }
  }
  writeShell(shellId: string, data: string | Uint8Array): Promise<void> {
    return this.#shell("writeShell", shellId, data);
  }
  resizeShell(shellId: string, cols: number, rows: number): Promise<void> {
    return this.#shell("resizeShell", shellId, cols, rows);
  }
  /** Hangs up, and kills what does not end within two seconds. */
  closeShell(shellId: string): Promise<void> {
    this.#check();
    if (this.#state.events.shell(shellId).exit.ended) return Promise.resolve();
    return this.#shell("closeShell", shellId);
  }

  #shell(name: string, shellId: string, ...rest: unknown[]): Promise<void> {
    this.#check();
    this.#state.events.shell(shellId);
    return quiet(this.#call(name, [shellId, ...rest]));
  }

  listShells(): Promise<ShellInfo[]> {
    return this.#call("listShells", []);
  }
  onShellData(shellId: string, listener: (data: Uint8Array) => void): () => void {
    this.#check();
    return this.#state.events.shell(shellId).data.subscribe(checked("listener", listener));
  }
  onShellExit(shellId: string, listener: (exitCode: number) => void): () => void {
    this.#check();
    return this.#state.events.shell(shellId).exit.subscribe(checked("listener", listener));
  }
  /** Runs a program on a terminal of the VM with the keys and screen of the host; resolves with its exit code. */
  async connectTerminal(options: TerminalOptions = {}): Promise<number> {
    this.#check();
    return connectTerminal(this, options);
  }

  // Network

  /** A Web request to whoever listens at a port of the VM; both bodies stream. */
  async fetch(port: number, input: Request | URL | string, init?: RequestInit): Promise<Response> {
    this.#check();
    const response = await fetchFromVm(this.#state.number, port, input, init);
    this.#keep();
    return response;
  }
  /** A request with whole bodies. */
  vmFetch(port: number, url: string, init?: VmFetchInit): Promise<VmFetchResponse> {
    return this.#call("vmFetch", [port, url], init);
  }

  // Mounts and files as a whole

  async mountFs(path: string, driver: FilesystemDriver | Backend, options: { readOnly?: boolean } = {}): Promise<void> {
    this.#check();
    const plugin = nativeDriver("driver", driver, this.#state.hooks);
    await this.#invoke((addon, number, id) => addon.vmMount(number, id, { path, plugin, ...options }));
  }
  /** Removes a mount; `EBUSY` while something inside is in use. */
  unmountFs(path: string): Promise<void> {
    return this.#invoke((addon, number, id) => addon.vmUnmount(number, id, path));
  }
  listMounts(): Promise<MountInfo[]> {
    return this.#invoke((addon, number, id) => addon.vmMounts(number, id));
  }
  /**
   * Gives the VM software of this user's store while it runs, by the words that it was added with (`npm:cowsay`, `pi`) or by its
   * name. Programs that run find its commands at once, and `createSession` knows the agent in it.
   */
  async addSoftware(software: string | SoftwareDescriptor): Promise<AddedSoftware> {
    this.#check();
    const name = readAdded("software", software);
    return this.#invoke((addon, number, id) => addon.vmAddSoftware(number, id, name));
  }
  /** Keeps the files as they are now, in constant time. Processes and the content of mounts are not part of it. */
  async snapshotRootFilesystem(): Promise<RootSnapshotExport> {
    const kept = await this.#fork();
    return {
      create: () => kept.#fork(),
      toBytes: () => kept.#invoke((addon, number, id) => addon.vmArchive(number, id)),
      dispose: () => kept.dispose(),
    };
  }

  /** A second VM with the same files and options. */
  async #fork(): Promise<AgentOs> {
    const number = await this.#invoke<number>((addon, from, id) => addon.vmFork(from, id));
    const { sidecar } = this.#state;
    const state = { number, chains: this.#state.chains, events: new Events(number), hooks: [], sidecar, leave: () => {}, bootedAt: Date.now() };
    return new AgentOs(made, state, undefined);
  }

  // Cron

  /** Schedules a job for as long as the VM lives. */
  scheduleCron(job: CoreCronJobOptions): { id: string; cancel(): void } {
    return this.#jobs().schedule(job);
  }
  listCronJobs(): CoreCronJobInfo[] {
    return this.#jobs().list();
  }
  /** What runs, finishes; an unknown id is no error. */
  cancelCronJob(id: string): void {
    this.#jobs().cancel(id);
  }
  onCronEvent(listener: (event: CronEvent["event"]) => void): () => void {
    this.#check();
    checked("listener", listener);
    this.#cronListeners.add(listener);
    return () => void this.#cronListeners.delete(listener);
  }

  #jobs(): CronJobs {
    this.#check();
    return (this.#cron ??= new CronJobs(
      this.#scheduleDriver,
      {
        exec: ({ command, args, cwd, env, timeoutMs }) => {
          const options: CoreExecOptions = {
            ...(cwd === undefined ? {} : { cwd }),
            ...(env === undefined ? {} : { env }),
            ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
          };
          return args === undefined ? this.exec(command, options as {}) : this.execArgv([command, ...args], options as {});
        },
        session: async ({ agentType, prompt, options, cwd }) => {
          const { sessionId } = await this.createSession(agentType, { ...options, ...(cwd === undefined ? {} : { cwd }) });
          try {
            return (await this.sendPrompt(sessionId, prompt)).response.error;
          } finally {
            await this.closeSession(sessionId);
          }
        },
      },
      (event) => {
        for (const listener of [...this.#cronListeners]) guarded("a listener of cron events", () => listener(event));
      },
    ));
  }

  // Policy, usage, life

  /** The policy: `vm.policy.explain(...)`. */
  get policy(): { explain(scope: string, operation: string, resource: string | string[]): Promise<Explanation> } {
    return {
      explain: async (scope, operation, resource) => {
        this.#check();
        const resources = Array.isArray(resource) ? resource : [resource];
        return call((addon) => addon.vmExplain(this.#state.number, scope, operation, resources));
      },
    };
  }
  /** What the VM uses now. */
  usage(): VmUsage {
    this.#check();
    return call((addon) => addon.vmUsage(this.#state.number));
  }
  async vmStatus(): Promise<VmStatus> {
    this.#check();
    const awakeBecause = call<string[]>((addon) => addon.vmAwake(this.#state.number));
    return { state: "ready", bootedAt: this.#state.bootedAt, awakeBecause, limits: this.usage().limits };
  }
  onLimitWarning(listener: (warning: LimitWarningEvent) => void): () => void {
    this.#check();
    return this.#state.events.onWarning(checked("listener", listener));
  }

  /** Ends everything in the VM. Idempotent; every other call fails with `vm_disposed` from then on. */
  dispose(): Promise<void> {
    return (this.#end ??= this.#dispose());
  }

  async #dispose(): Promise<void> {
    const state = this.#state;
    lost.unregister(this);
    this.#cron?.dispose();
    abandon(state.hooks);
    try {
      await invoke((addon, id) => addon.vmDispose(state.number, id));
      await flush(state.hooks);
    } finally {
      tidy(state);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  // How calls are made

  #check(): void {
    if (this.#end !== undefined) throw disposed();
  }

  /** Nothing; a call that is under way keeps the handle, and so the VM, from being collected. */
  #keep(): void {}

  async #call<T>(name: string, args: unknown[], options?: CallOptions, host = false): Promise<T> {
    this.#check();
    const { number, chains } = this.#state;
    let signal: AbortSignal | undefined;
    if (options !== undefined) {
      const { signal: given, ...rest } = options;
      signal = given;
      if (Object.keys(rest).length > 0) args.push(rest);
    }
    const leave = chains.enter();
    try {
      return await invoke<T>((addon, id) => addon.vmCall(number, id, name, args, host), signal);
    } catch (error) {
      // A call that dispose has overtaken.
      throw this.#end !== undefined && isActorError(error) && error.code === "shutting_down" ? disposed() : error;
    } finally {
      leave?.();
      this.#keep();
    }
  }

  async #invoke<T>(start: (addon: ReturnType<typeof native>, number: number, id: number) => unknown): Promise<T> {
    this.#check();
    const { number } = this.#state;
    const result = await invoke<T>((addon, id) => start(addon, number, id));
    this.#keep();
    return result;
  }
}

function withEnvironment<O extends { env?: unknown }>(options: O): O {
  return options.env === undefined ? options : { ...options, env: environment("options.env", options.env) };
}

/** A promise whose failure is nobody's fault who does not look at it. */
function quiet(work: Promise<void>): Promise<void> {
  work.catch(() => {});
  return work;
}

function checked<F>(path: string, listener: F): F {
  if (typeof listener === "function") return listener;
  throw invalidArgument(path, "a function", listener);
}

/** Exit code and text of a start that failed; a wrong call is thrown on. */
function startFailure(thrown: unknown): [number, Uint8Array] {
  const error = toError(thrown);
  if (!isActorError(error) || error.code === "invalid_argument" || error.code === "vm_disposed") throw error;
  return [error.code === "ENOENT" ? 127 : 126, new TextEncoder().encode(`${error.message}\n`)];
}
