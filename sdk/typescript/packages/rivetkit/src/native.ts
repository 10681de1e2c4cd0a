/** The native side, as this package uses it; see `crates/node/src/registry/exports.rs`. */
import { call, hold, hook, invoke, native as addon, release, unhook } from "@agentos/native";
import type { LogLevel, Reach } from "./dispatch.js";

/** What a registry is started with, as plain data. */
export interface Plan {
  setup: string;
  definitions: { name: string; config: string; vm: boolean }[];
  host: string | undefined;
  port: number | undefined;
  allowInsecureBind: boolean | undefined;
}

/** Calls a hook or an actor's code. */
export type Dispatch = (name: string, hook: string, context: never, args: unknown[]) => Promise<unknown>;

/** Checks the JSON of an argument; throws what is wrong. */
export function check(what: "vm" | "actor" | "setup", config: string): void {
  call((native) => native["registryCheck"](what, config));
}

/** A registry of the native side. While it is open the process stays alive. */
export class NativeRegistry implements Reach {
  readonly #function: number;
  readonly #number: number;
  #open = true;

  /** A registry whose hooks are called by this function. */
  constructor(dispatch: Dispatch) {
    this.#function = hook("a hook", (args) => dispatch(...(args as Parameters<Dispatch>)));
    this.#number = call((native) => native["registryOpen"](this.#function));
    hold();
  }

  /** Serves; where. One that cannot is closed. */
  async listen(plan: Plan): Promise<{ url: string; port: number }> {
    try {
      return await invoke((native, id) => native["registryListen"](this.#number, id, plan));
    } catch (error) {
      this.#close();
      throw error;
    }
  }

  /** Ends; whether everything was completed. */
  async close(drain: boolean): Promise<boolean> {
    try {
      return await invoke<boolean>((native, id) => native["registryClose"](this.#number, id, drain));
    } finally {
      this.#close();
    }
  }

  act(actorId: string, action: string, args: unknown[]): Promise<unknown> {
    return invoke((native, id) => native["registryAct"](this.#number, id, actorId, action, args));
  }

  execute(actorId: string, conn: string | undefined, sql: string, args: unknown[]): Promise<unknown> {
    return invoke((native, id) => native["registryDb"](this.#number, id, actorId, conn, sql, args));
  }

  conn(actorId: string, conn: string, deed: string, args: unknown[]): boolean {
    return call((native) => native["registryConn"](this.#number, actorId, conn, deed, args));
  }

  deed(instance: number, deed: string, args: unknown[]): unknown {
    return call((native) => native["registryDeed"](this.#number, instance, deed, args));
  }

  call(instance: number, deed: string, args: unknown[]): Promise<unknown> {
    return invoke((native, id) => native["registryInstance"](this.#number, id, instance, deed, args));
  }

  log(level: LogLevel, source: string, text: string): void {
    addon()["registryLog"](level, source, text);
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    unhook(this.#function);
    release();
  }
}
