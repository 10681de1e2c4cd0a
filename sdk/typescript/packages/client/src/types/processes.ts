/** Actions on processes and terminals. */
import type { CallOptions, EnvValue, LimitExceeded } from "./common.js";

/** How a command runs. */
export interface ExecOptions extends CallOptions {
  /** Added to the VM's environment. `{ secret: "NAME" }` is a secret of the server that clients may refer to. */
  env?: Record<string, EnvValue>;
  /** Where it starts; `/home/user` unless given. */
  cwd?: string;
  /** What it reads. */
  stdin?: string | Uint8Array;
  /** Milliseconds until its process group gets SIGTERM, and two seconds later SIGKILL. */
  timeout?: number;
  /** A label for diagnostics. */
  filePath?: string;
  /** Whether output is returned; true unless given. */
  captureStdio?: boolean;
  /** Milliseconds of computing, counted in whole seconds, upwards. */
  cpuTimeLimitMs?: number;
  /** `freeze` stops the process's clocks while it computes. */
  timingMitigation?: "off" | "freeze";
  /** Whether output is text or bytes; text unless given. */
  encoding?: "utf8" | "buffer";
}

/** How a process is started. */
export interface SpawnOptions extends Omit<ExecOptions, "encoding"> {
  /** Keeps the input open after `stdin`, for `writeProcessStdin`. */
  streamStdin?: boolean;
}

/** How a command ended. `Output` is text, or bytes with `encoding: "buffer"`. */
export interface ExecResult<Output = string> {
  /** Its exit code, 128 + n after signal n, 124 after `timeout`. */
  exitCode: number;
  stdout: Output;
  stderr: Output;
  /** Set after `timeout`. */
  timedOut?: boolean;
  stdoutTruncated?: boolean;
  stderrTruncated?: boolean;
  /** The limit that ended it, if one did. */
  limit?: LimitExceeded;
}

/** A process that `spawn` started. */
export interface SpawnedProcess {
  pid: number;
  command: string;
  args: string[];
  running: boolean;
  exitCode: number | null;
}

/** Any process of the VM. Times are milliseconds since 1970. */
export interface ProcessInfo {
  pid: number;
  ppid: number;
  pgid: number;
  sid: number;
  driver: string;
  command: string;
  args: string[];
  cwd: string;
  status: "running" | "exited";
  exitCode: number | null;
  startTime: number;
  exitTime: number | null;
}

/** A process with those that it started. */
export interface ProcessTreeNode extends ProcessInfo {
  children: ProcessTreeNode[];
}

/** Both ends of what a process wrote to one stream; `discarded` bytes lay between them. */
export interface StreamLog {
  head: Uint8Array;
  tail: Uint8Array;
  discarded: number;
}

/** What a process wrote. */
export interface ProcessLog {
  stdout: StreamLog;
  stderr: StreamLog;
  /** Whether that is all it wrote: it has ended. */
  complete: boolean;
}

/** Names of signals; those of real time are left to `string`. */
export type SignalName =
  | "SIGHUP"
  | "SIGINT"
  | "SIGQUIT"
  | "SIGILL"
  | "SIGTRAP"
  | "SIGABRT"
  | "SIGBUS"
  | "SIGFPE"
  | "SIGKILL"
  | "SIGUSR1"
  | "SIGSEGV"
  | "SIGUSR2"
  | "SIGPIPE"
  | "SIGALRM"
  | "SIGTERM"
  | "SIGCHLD"
  | "SIGCONT"
  | "SIGSTOP"
  | "SIGTSTP"
  | "SIGTTIN"
  | "SIGTTOU"
  | "SIGURG"
  | "SIGXCPU"
  | "SIGXFSZ"
  | "SIGVTALRM"
  | "SIGPROF"
  | "SIGWINCH"
  | "SIGIO"
  | "SIGPWR"
  | "SIGSYS"
  | (string & {});

/** Actions on processes. */
export interface ProcessActions {
  /** Runs `sh -c command` and waits for its end. */
  exec(command: string, options: ExecOptions & { encoding: "buffer" }): Promise<ExecResult<Uint8Array>>;
  exec(command: string, options?: ExecOptions & { encoding?: "utf8" }): Promise<ExecResult>;
  /** Runs a program without a shell and waits for its end. */
  execArgv(argv: string[], options: ExecOptions & { encoding: "buffer" }): Promise<ExecResult<Uint8Array>>;
  execArgv(argv: string[], options?: ExecOptions & { encoding?: "utf8" }): Promise<ExecResult>;
  /** Starts a program; its output and end arrive as events `processOutput` and `processExit`. */
  spawn(command: string, args: string[], options?: SpawnOptions): Promise<{ pid: number }>;
  /** Writes to a process's input; waits while the pipe is full. */
  writeProcessStdin(pid: number, data: string | Uint8Array): Promise<void>;
  /** Ends a process's input. */
  closeProcessStdin(pid: number): Promise<void>;
  /** Waits for a process's end; resolves with its exit code. */
  waitProcess(pid: number): Promise<number>;
  /** What `spawn` started since the VM booted. */
  listProcesses(): Promise<SpawnedProcess[]>;
  /** One of them. */
  getProcess(pid: number): Promise<SpawnedProcess>;
  /** What one of them wrote, as far as the server keeps it: both ends of each stream. */
  getProcessLog(pid: number): Promise<ProcessLog>;
  /** Every process of the VM. */
  allProcesses(): Promise<ProcessInfo[]>;
  /** Every process of the VM, below the one that started it. */
  processTree(): Promise<ProcessTreeNode[]>;
  /** SIGTERM. A process that has ended is no error. */
  stopProcess(pid: number): Promise<void>;
  /** SIGKILL. */
  killProcess(pid: number): Promise<void>;
  /** Any signal. */
  signalProcess(pid: number, signal: SignalName): Promise<void>;
}

/** How a terminal is opened. */
export interface OpenShellOptions extends CallOptions {
  /** `sh` unless given. */
  command?: string;
  args?: string[];
  env?: Record<string, EnvValue>;
  cwd?: string;
  /** 80 unless given. */
  cols?: number;
  /** 24 unless given. */
  rows?: number;
}

/** An open terminal. */
export interface ShellInfo {
  shellId: string;
  pid: number;
  command: string;
  cols: number;
  rows: number;
  running: boolean;
  exitCode: number | null;
}

/** Actions on terminals. */
export interface ShellActions {
  /** Opens a terminal; its output arrives as events `shellData`, its end as `shellExit`. */
  openShell(options?: OpenShellOptions): Promise<{ shellId: string }>;
  /** Types into a terminal. */
  writeShell(shellId: string, data: string | Uint8Array): Promise<void>;
  /** Changes a terminal's size. */
  resizeShell(shellId: string, cols: number, rows: number): Promise<void>;
  /** Hangs up. */
  closeShell(shellId: string): Promise<void>;
  /** Terminals that are open. */
  listShells(): Promise<ShellInfo[]>;
}
