/** Schedules, policy, life of a VM, and all of its actions together. */
import type { CallOptions, EnvValue } from "./common.js";
import type { FileActions } from "./files.js";
import type { NetworkActions } from "./network.js";
import type { ProcessActions, ShellActions } from "./processes.js";
import type { CreateSessionOptions, SessionActions } from "./sessions.js";

/** What a job does. With `args` a command is a program, without it is a line for the shell. */
export type CronAction =
  | { type: "exec"; command: string; args?: string[]; cwd?: string; env?: Record<string, EnvValue>; timeoutMs?: number }
  | {
      type: "session";
      agentType: string;
      prompt: string;
      options?: Omit<CreateSessionOptions, "signal">;
      cwd?: string;
    };

/** What happens when a job is due while it runs. */
export type CronOverlap = "allow" | "skip" | "queue";

/** A job to schedule. */
export interface CronJobOptions extends CallOptions {
  /** Made up unless given. */
  id?: string;
  /** Five fields (minute, hour, day of month, month, day of week), or an ISO 8601 instant for one run. */
  schedule: string;
  /** An IANA name; `UTC` unless given. */
  timezone?: string;
  action: CronAction;
  /** `allow` unless given. */
  overlap?: CronOverlap;
}

/** A scheduled job. `lastRun` and `nextRun` are ISO 8601 texts. */
export interface CronJobInfo {
  id: string;
  schedule: string;
  timezone: string;
  action: CronAction;
  overlap: CronOverlap;
  lastRun?: string;
  nextRun?: string;
  runCount: number;
  running: boolean;
  queued: number;
}

/** What the policy says about an operation, and why. */
export interface Explanation {
  decision: "allow" | "deny";
  rule: string;
  pattern?: string;
  resource: string | string[];
  /** What the guards say that no policy lifts. */
  guard?: { decision: "allow" | "deny"; address: string; range?: string; label?: string };
}

/** The policy's actions: `vm.policy.explain(...)`. */
export interface PolicyActions {
  /** What the policy says about an operation on a resource. */
  explain(scope: string, operation: string, resource: string | string[]): Promise<Explanation>;
}

/** How a VM is. */
export interface VmStatus {
  state: "asleep" | "booting" | "ready" | "stopping" | "failed";
  /** Milliseconds since 1970. */
  bootedAt?: number;
  /** What keeps it from sleeping. */
  awakeBecause: string[];
  limits: { name: string; observed: number; capacity: number }[];
}

/** Schedules and life. */
export interface LifeActions {
  /** Schedules a job. */
  scheduleCron(job: CronJobOptions): Promise<{ id: string }>;
  /** Jobs that are scheduled. */
  listCronJobs(): Promise<CronJobInfo[]>;
  /** Removes a job; what runs, finishes. */
  cancelCronJob(id: string): Promise<void>;
  /** The policy. */
  readonly policy: PolicyActions;
  /** How the VM is; does not boot it. */
  vmStatus(): Promise<VmStatus>;
  /** Puts the VM to sleep now. */
  sleepVm(): Promise<void>;
  /** Destroys the VM with all its data. */
  destroyVm(): Promise<void>;
}

/** Every action of a VM. */
export interface VmActions
  extends FileActions, ProcessActions, ShellActions, NetworkActions, SessionActions, LifeActions {}
