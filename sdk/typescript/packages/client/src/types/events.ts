/** Events of a VM, each with one payload. */
import type { LimitExceeded } from "./common.js";
import type { JsonRpcNotification, PermissionRequest } from "./sessions.js";

/** An agent said something. Numbers of one session have no gaps. */
export interface SessionEvent {
  sessionId: string;
  event: JsonRpcNotification;
  seq: number;
}

/** An agent asks for permission. */
export interface PermissionRequestEvent {
  sessionId: string;
  request: PermissionRequest;
}

/** A request for permission was answered or cancelled. */
export interface PermissionResolvedEvent {
  sessionId: string;
  permissionId: string;
  outcome: "once" | "always" | "reject" | "cancelled";
  via: string;
}

/** Output of a process that `spawn` started. */
export interface ProcessOutputEvent {
  pid: number;
  stream: "stdout" | "stderr";
  data: Uint8Array;
}

/** The end of a process that `spawn` started; once, after its last output. */
export interface ProcessExitEvent {
  pid: number;
  exitCode: number;
  signal?: string;
  /** The limit that ended it, if one did. */
  limit?: LimitExceeded;
  /** Whether it ran out of its `timeout`; its exit code is 124 then. */
  timedOut?: boolean;
}

/** Output of a terminal. */
export interface ShellDataEvent {
  shellId: string;
  data: Uint8Array;
}

/** The end of a terminal; once. */
export interface ShellExitEvent {
  shellId: string;
  exitCode: number;
}

/** A job ran. `time` is when it was due. */
export interface CronEvent {
  event:
    | { type: "cron:fire"; jobId: string; time: number }
    | { type: "cron:complete"; jobId: string; time: number; durationMs: number }
    | { type: "cron:error"; jobId: string; time: number; error: unknown };
}

/** The VM has booted. */
export type VmBootedEvent = Record<string, never>;

/** The VM is about to end. */
export interface VmShutdownEvent {
  reason: "sleep" | "destroy" | "error";
}

/** An agent's process ended by itself. */
export interface AgentCrashedEvent {
  sessionId: string;
  exitCode: number;
  signal?: string;
  restart: "restarted" | "failed" | "exhausted";
  restartCount: number;
}

/** A limit is nearly reached. */
export interface LimitWarningEvent {
  limit: string;
  category: string;
  observed: number;
  capacity: number;
  fillPercent: number;
  message: string;
}

/** This connection was too slow and lost events. */
export interface StreamErrorEvent {
  scope: "process" | "shell" | "session" | "cron";
  id?: string | number;
  code: "event_stream_lagged" | "stream_failed";
  skipped?: number;
  message: string;
}

/** Arguments of the listeners of each event of a VM. */
export interface VmEvents {
  sessionEvent: [SessionEvent];
  permissionRequest: [PermissionRequestEvent];
  permissionResolved: [PermissionResolvedEvent];
  processOutput: [ProcessOutputEvent];
  processExit: [ProcessExitEvent];
  shellData: [ShellDataEvent];
  shellExit: [ShellExitEvent];
  cronEvent: [CronEvent];
  vmBooted: [VmBootedEvent];
  vmShutdown: [VmShutdownEvent];
  agentCrashed: [AgentCrashedEvent];
  limitWarning: [LimitWarningEvent];
  streamError: [StreamErrorEvent];
}
