/**
 * Events of one VM: what the addon announces, sorted by who it is about. It knows nothing of the VM's handle, so a handle
 * that nobody holds can be collected while its events are listened to.
 */
import type { LimitWarningEvent, ProcessExitEvent } from "@agentos/client";
import { ActorError } from "@agentos/client/errors";
import { hold, release } from "@agentos/native";
import { Ending, Output, guarded } from "./output.js";
import { SessionEvents } from "./session-events.js";

/** Output of an `exec` with callbacks. */
export interface ExecListener {
  onStdout?: ((data: Uint8Array) => void) | undefined;
  onStderr?: ((data: Uint8Array) => void) | undefined;
}

/** A process that `spawn` started, or failed to. */
export interface ProcessEvents {
  stdout: Output;
  stderr: Output;
  exit: Ending<ProcessExitEvent>;
}

/** A terminal. */
export interface ShellEvents {
  data: Output;
  exit: Ending<number>;
}

/** Ended processes and terminals whose output can still be listened to. */
const ENDED_MAX = 256;

/** The events of one VM. */
export class Events {
  readonly #processes = new Map<number, ProcessEvents>();
  readonly #shells = new Map<string, ShellEvents>();
  readonly #execs = new Map<number, ExecListener>();
  readonly #warnings = new Set<(warning: LimitWarningEvent) => void>();
  readonly #endedProcesses: number[] = [];
  readonly #endedShells: string[] = [];
  #holds = 0;
  /** Those of sessions. */
  readonly sessions: SessionEvents;

  constructor(vm: number) {
    this.sessions = new SessionEvents(vm);
  }

  /** What the addon announces. */
  readonly take = (name: string, payload: unknown): void => {
    switch (name) {
      case "processOutput": {
        const { pid, stream, data } = payload as { pid: number; stream: "stdout" | "stderr"; data: Uint8Array };
        this.#processes.get(pid)?.[stream].push(data);
        break;
      }
      case "processExit":
        this.endProcess(payload as ProcessExitEvent);
        break;
      case "shellData": {
        const { shellId, data } = payload as { shellId: string; data: Uint8Array };
        this.#shells.get(shellId)?.data.push(data);
        break;
      }
      case "shellExit": {
        const { shellId, exitCode } = payload as { shellId: string; exitCode: number };
        this.#endShell(shellId, exitCode);
        break;
      }
      case "execOutput": {
        const { call, stream, data } = payload as { call: number; stream: "stdout" | "stderr"; data: Uint8Array };
        const listener = this.#execs.get(call);
        (stream === "stdout" ? listener?.onStdout : listener?.onStderr)?.(data);
        break;
      }
      case "limitWarning":
        for (const listener of [...this.#warnings]) guarded("a listener of limit warnings", () => listener(payload as LimitWarningEvent));
        break;
      default:
        this.sessions.take(name, payload);
    }
  };

  /** A process was started; the process of Node.js stays alive until it has ended. */
  beginProcess(pid: number): ProcessEvents {
    const events = { stdout: new Output(), stderr: new Output(), exit: new Ending<ProcessExitEvent>() };
    this.#processes.set(pid, events);
    this.#hold();
    return events;
  }

  /** A process has ended. */
  endProcess(event: ProcessExitEvent): void {
    const events = this.#processes.get(event.pid);
    if (events === undefined || events.exit.ended) return;
    this.#release();
    this.#endedProcesses.push(event.pid);
    if (this.#endedProcesses.length > ENDED_MAX) this.#forgetProcess(this.#endedProcesses.shift());
    events.exit.set(event);
  }

  #forgetProcess(pid: number | undefined): void {
    // The number may belong to a newer process by now.
    if (pid !== undefined && this.#processes.get(pid)?.exit.ended === true) this.#processes.delete(pid);
  }

  /** A terminal was opened. */
  beginShell(id: string): ShellEvents {
    const events = { data: new Output(), exit: new Ending<number>() };
    this.#shells.set(id, events);
    this.#hold();
    return events;
  }

  #endShell(id: string, exitCode: number): void {
    const events = this.#shells.get(id);
    if (events === undefined || events.exit.ended) return;
    this.#release();
    this.#endedShells.push(id);
    if (this.#endedShells.length > ENDED_MAX) this.#shells.delete(this.#endedShells.shift() ?? "");
    events.exit.set(exitCode);
  }

  /** A terminal that could not be opened has ended. */
  failShell(id: string, exitCode: number): void {
    this.#endShell(id, exitCode);
  }

  /** The events of a process. */
  process(pid: number): ProcessEvents {
    const events = this.#processes.get(pid);
    if (events === undefined) throw new ActorError("agentos", "process_not_found", `Process not found: ${pid}`, { pid });
    return events;
  }

  /** The events of a terminal. */
  shell(id: string): ShellEvents {
    const events = this.#shells.get(id);
    if (events === undefined) throw new ActorError("agentos", "shell_not_found", `Shell not found: ${id}`, { shellId: id });
    return events;
  }

  /** Shows the output of a call of `exec`. */
  showExec(call: number, listener: ExecListener): void {
    this.#execs.set(call, listener);
  }

  /** The call has ended. */
  hideExec(call: number): void {
    this.#execs.delete(call);
  }

  /** Listens to limits that are nearly reached. */
  onWarning(listener: (warning: LimitWarningEvent) => void): () => void {
    this.#warnings.add(listener);
    return () => void this.#warnings.delete(listener);
  }

  /** Ends everything that has not ended. */
  close(): void {
    this.sessions.close();
    for (const [pid, events] of this.#processes) if (!events.exit.ended) this.endProcess({ pid, exitCode: 137, signal: "SIGKILL" });
    for (const [id, events] of this.#shells) if (!events.exit.ended) this.#endShell(id, 137);
    while (this.#holds > 0) this.#release();
  }

  #hold(): void {
    this.#holds += 1;
    hold();
  }

  #release(): void {
    this.#holds -= 1;
    release();
  }
}
