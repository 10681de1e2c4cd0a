/**
 * Cron jobs of an embedded VM (api.md section 7). They live as long as the VM; expressions and time zones are the addon's
 * business, timers those of a {@link ScheduleDriver}. A job keeps the process alive, as `setInterval` does.
 */
import type { CronAction, CronEvent, CronJobInfo, CronOverlap, EnvValue } from "@agentos/client";
import { ActorError, isActorError } from "@agentos/client/errors";
import { call } from "@agentos/native";
import * as check from "./check.js";
import { environment } from "./options.js";

/** Something to be run at a time. */
export interface ScheduleEntry {
  /** The job. */
  id: string;
  /** When, in ms since 1970. */
  at: number;
  run(): void;
}

/** A timer of one's own. */
export interface ScheduleDriver<Handle = unknown> {
  schedule(entry: ScheduleEntry): Handle;
  cancel(handle: Handle): void;
  dispose(): void;
}

/** Longest time that one timer of Node.js can wait, in ms. */
const TIMER_MAX = 2 ** 31 - 1;

/** Timers of this process. */
export class TimerScheduleDriver implements ScheduleDriver<{ timer: NodeJS.Timeout | undefined }> {
  readonly #handles = new Set<{ timer: NodeJS.Timeout | undefined }>();

  schedule(entry: ScheduleEntry): { timer: NodeJS.Timeout | undefined } {
    const handle: { timer: NodeJS.Timeout | undefined } = { timer: undefined };
    this.#handles.add(handle);
    const wait = (): void => {
      const left = entry.at - Date.now();
      handle.timer = setTimeout(left > TIMER_MAX ? wait : () => this.#fire(handle, entry), Math.min(Math.max(left, 0), TIMER_MAX));
    };
    wait();
    return handle;
  }

  #fire(handle: { timer: NodeJS.Timeout | undefined }, entry: ScheduleEntry): void {
    this.#handles.delete(handle);
    entry.run();
  }

  cancel(handle: { timer: NodeJS.Timeout | undefined }): void {
    clearTimeout(handle.timer);
    this.#handles.delete(handle);
  }

  dispose(): void {
    for (const handle of [...this.#handles]) this.cancel(handle);
  }
}

/** What a job of an embedded VM does. */
export type CoreCronAction = CronAction | { type: "callback"; fn: () => unknown };

/** A job to schedule. */
export interface CoreCronJobOptions {
  id?: string;
  /** A cron expression of five fields, or an ISO 8601 instant. */
  schedule: string;
  timezone?: string;
  action: CoreCronAction;
  overlap?: CronOverlap;
}

/** A scheduled job. */
export type CoreCronJobInfo = Omit<CronJobInfo, "action"> & { action: CoreCronAction };

interface Job {
  id: string;
  options: CoreCronJobOptions;
  timezone: string;
  overlap: CronOverlap;
  handle: unknown;
  nextAt: number | undefined;
  lastAt: number | undefined;
  runCount: number;
  running: number;
  /** When the runs that wait were due. */
  queue: number[];
}

/** How the actions of jobs are carried out. */
export interface Runners {
  exec(action: CronAction & { type: "exec" }): Promise<{ exitCode: number; stderr: string; timedOut?: boolean }>;
  /** Prompts an agent in a session of its own; the agent's refusal, if it refuses. */
  session(action: CronAction & { type: "session" }): Promise<{ message: string } | undefined>;
}

/** Runs that wait, of one job, unless `limits.cron.maxQueuedRunsPerJob` says otherwise. */
const QUEUED_MAX = 16;
/** Jobs of one VM. */
const JOBS_MAX = 1024;

/** The jobs of one VM. */
export class CronJobs {
  readonly #jobs = new Map<string, Job>();
  readonly #driver: ScheduleDriver;
  readonly #runners: Runners;
  readonly #emit: (event: CronEvent["event"]) => void;
  #made = 0;
  #disposed = false;

  constructor(driver: ScheduleDriver | undefined, runners: Runners, emit: (event: CronEvent["event"]) => void) {
    this.#driver = driver ?? new TimerScheduleDriver();
    this.#runners = runners;
    this.#emit = emit;
  }

  schedule(options: CoreCronJobOptions): { id: string; cancel(): void } {
    checkJob(options);
    const { schedule, timezone = "UTC", overlap = "allow" } = options;
    const nextAt = nextTime(schedule, timezone, Date.now());
    const id = options.id ?? this.#newId();
    if (this.#jobs.has(id)) throw new ActorError("agentos", "cron_job_exists", `a cron job with id ${JSON.stringify(id)} exists`, { id });
    if (this.#jobs.size >= JOBS_MAX) throw limitExceeded("maxJobs", this.#jobs.size + 1, JOBS_MAX);
    const job: Job = {
      id, options, timezone, overlap, nextAt,
      handle: undefined, lastAt: undefined, runCount: 0, running: 0, queue: [],
    };
    this.#jobs.set(id, job);
    this.#arm(job);
    return { id, cancel: () => this.cancel(id) };
  }

  list(): CoreCronJobInfo[] {
    return [...this.#jobs.values()].map((job) => ({
      id: job.id,
      schedule: job.options.schedule,
      timezone: job.timezone,
      action: job.options.action,
      overlap: job.overlap,
      ...(job.lastAt === undefined ? {} : { lastRun: new Date(job.lastAt).toISOString() }),
      ...(job.nextAt === undefined ? {} : { nextRun: new Date(job.nextAt).toISOString() }),
      runCount: job.runCount,
      running: job.running > 0,
      queued: job.queue.length,
    }));
  }

  cancel(id: string): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    this.#jobs.delete(id);
    job.queue.length = 0;
    if (job.nextAt !== undefined) this.#driver.cancel(job.handle);
    job.nextAt = undefined;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const id of [...this.#jobs.keys()]) this.cancel(id);
    this.#driver.dispose();
  }

  #newId(): string {
    do this.#made += 1;
    while (this.#jobs.has(`cron-${this.#made}`));
    return `cron-${this.#made}`;
  }

  #arm(job: Job): void {
    if (job.nextAt === undefined) return;
    const at = job.nextAt;
    job.handle = this.#driver.schedule({ id: job.id, at, run: () => this.#due(job, at) });
  }

  /** A job is due. What comes next is set up before it runs, so that a run that fails at once loses nothing. */
  #due(job: Job, at: number): void {
    if (this.#disposed || this.#jobs.get(job.id) !== job || job.nextAt !== at) return;
    job.nextAt = this.#following(job, Math.max(at, Date.now()));
    this.#arm(job);
    if (job.running === 0 || job.overlap === "allow") void this.#run(job, at);
    else if (job.overlap === "queue") this.#enqueue(job, at);
  }

  #following(job: Job, after: number): number | undefined {
    try {
      return nextTime(job.options.schedule, job.timezone, after);
    } catch {
      // A single time that has passed.
      return undefined;
    }
  }

  #enqueue(job: Job, at: number): void {
    if (job.queue.length < QUEUED_MAX) {
      job.queue.push(at);
      return;
    }
    const error = limitExceeded("maxQueuedRunsPerJob", QUEUED_MAX + 1, QUEUED_MAX);
    this.#emit({ type: "cron:error", jobId: job.id, time: at, error: error.toJSON() });
  }

  async #run(job: Job, at: number): Promise<void> {
    job.running += 1;
    job.runCount += 1;
    job.lastAt = at;
    const started = performance.now();
    this.#emit({ type: "cron:fire", jobId: job.id, time: at });
    try {
      await this.#act(job.options.action);
      const durationMs = Math.round(performance.now() - started);
      this.#emit({ type: "cron:complete", jobId: job.id, time: at, durationMs });
    } catch (error) {
      const told = isActorError(error) ? error.toJSON() : { group: "internal", code: "callback_failed", message: String(error) };
      this.#emit({ type: "cron:error", jobId: job.id, time: at, error: told });
    } finally {
      job.running -= 1;
      this.#finished(job);
    }
  }

  #finished(job: Job): void {
    const next = job.queue.shift();
    if (next !== undefined && !this.#disposed) void this.#run(job, next);
    // A job for a single time is over after it.
    else if (job.nextAt === undefined && job.running === 0 && this.#jobs.get(job.id) === job) this.#jobs.delete(job.id);
  }

  async #act(action: CoreCronAction): Promise<void> {
    if (action.type === "callback") {
      await action.fn();
      return;
    }
    if (action.type === "session") {
      const refusal = await this.#runners.session(action);
      if (refusal !== undefined) throw new ActorError("agentos", "agent_error", refusal.message.slice(0, 4096));
      return;
    }
    const result = await this.#runners.exec(action);
    if (result.timedOut === true) throw new ActorError("agentos", "timeout", "the command took longer than its timeoutMs");
    if (result.exitCode !== 0) {
      throw new ActorError("agentos", "exit_code", `${result.exitCode}: ${result.stderr.slice(-4096)}`);
    }
  }
}

function nextTime(schedule: string, timezone: string, after: number): number {
  return call<number>((native) => native.cronNext(schedule, timezone, after));
}

function limitExceeded(limit: string, observed: number, capacity: number): ActorError {
  const configurationPath = `limits.cron.${limit}`;
  const message = `limit exceeded: ${configurationPath}: ${observed} of ${capacity}`;
  return new ActorError("agentos", "limit_exceeded", message, { limit, observed, capacity, configurationPath });
}

function checkJob(options: CoreCronJobOptions): void {
  const given = check.object("job", options);
  check.known("job", given, ["id", "schedule", "timezone", "action", "overlap"]);
  check.text("job.schedule", given["schedule"]);
  for (const name of ["id", "timezone"]) if (given[name] !== undefined) check.text(`job.${name}`, given[name]);
  if (given["overlap"] !== undefined) check.word("job.overlap", given["overlap"], ["allow", "skip", "queue"]);
  const action = check.object("job.action", given["action"]);
  switch (check.word("job.action.type", action["type"], ["exec", "session", "callback"])) {
    case "exec":
      check.known("job.action", action, ["type", "command", "args", "cwd", "env", "timeoutMs"]);
      check.text("job.action.command", action["command"]);
      if (action["env"] !== undefined) environment("job.action.env", action["env"] as Record<string, EnvValue>);
      break;
    case "session":
      check.known("job.action", action, ["type", "agentType", "prompt", "options", "cwd"]);
      for (const name of ["agentType", "prompt"]) check.text(`job.action.${name}`, action[name]);
      break;
    case "callback":
      check.known("job.action", action, ["type", "fn"]);
      check.callable("job.action.fn", action["fn"]);
  }
}
