/**
 * What can be mounted, and filesystems written in TypeScript.
 *
 * A driver's methods are called with paths within the mount (`/`, `/a/b`), one at a time or many at once, each with a
 * deadline. What it throws reaches the program in the VM as `EIO`, unless the error has the `code` of a system error
 * (`ENOENT`, `EACCES`, ...), as errors of `node:fs` have.
 */
import { hook, unhook } from "@agentos/native";
import * as check from "./check.js";
import { Served } from "./driver-calls.js";
import { invalidConfig } from "./errors.js";

/** Something to mount, in the native form. */
export interface NativePlugin {
  /** `memory`, `host_dir` or `overlay`. */
  id: string;
  config?: Record<string, unknown>;
}

/** What a driver tells of a path. */
export interface DriverStat {
  type: "file" | "directory" | "symlink";
  /** Bytes. */
  size: number;
  /** Permission bits; 0o755 for directories and 0o644 for files unless given. */
  mode?: number;
  /** Milliseconds since 1970. */
  mtimeMs?: number;
}

/** An entry of a directory of a driver's: a name, or a name with what it is. */
export type DriverEntry = string | { name: string; type: DriverStat["type"] };

/** What every method of a driver is told last. */
export interface DriverCall {
  /** Aborted when nobody waits for the answer any more: the deadline has passed, the program was killed, or the VM is being disposed. */
  readonly signal: AbortSignal;
}

type Maybe<T> = T | Promise<T>;

/**
 * A filesystem written in TypeScript. Only {@link stat}, {@link readdir} and {@link readFile} are needed; without the others
 * what they would do is refused with `EROFS` or `ENOSYS`.
 */
export interface FilesystemDriver {
  /** What is at a path; throws an error with code `ENOENT` if nothing is. */
  stat(path: string, call: DriverCall): Maybe<DriverStat>;
  /** What is in a directory. */
  readdir(path: string, call: DriverCall): Maybe<DriverEntry[]>;
  /** The whole content of a file. */
  readFile(path: string, call: DriverCall): Maybe<Uint8Array | string>;
  /** A part of a file; {@link readFile} is used without it. Fewer bytes than asked for end the file. */
  pread?(path: string, offset: number, length: number, call: DriverCall): Maybe<Uint8Array>;
  /**
   * A file from an offset on, piece by piece; used instead of {@link pread} and {@link readFile}. A piece is asked for when a
   * program reads it and never before, so a slow reader holds the source back. Reads that go on where the last one ended go on
   * with the same stream; its `return` is called when nobody reads on.
   */
  readStream?(path: string, offset: number, call: DriverCall): AsyncIterable<Uint8Array | string>;
  /** Creates a file or replaces its content. */
  writeFile?(path: string, content: Uint8Array, call: DriverCall): Maybe<void>;
  /** Writes a part of a file; {@link readFile} and {@link writeFile} are used without it. */
  pwrite?(path: string, offset: number, content: Uint8Array, call: DriverCall): Maybe<void>;
  /** Makes a file shorter or longer; {@link readFile} and {@link writeFile} are used without it. */
  truncate?(path: string, size: number, call: DriverCall): Maybe<void>;
  mkdir?(path: string, call: DriverCall): Maybe<void>;
  /** Removes a file or link. */
  unlink?(path: string, call: DriverCall): Maybe<void>;
  /** Removes an empty directory. */
  rmdir?(path: string, call: DriverCall): Maybe<void>;
  rename?(from: string, to: string, call: DriverCall): Maybe<void>;
  /** Where a link leads. */
  readlink?(path: string, call: DriverCall): Maybe<string>;
  symlink?(path: string, target: string, call: DriverCall): Maybe<void>;
  chmod?(path: string, mode: number, call: DriverCall): Maybe<void>;
  utimes?(path: string, mtimeMs: number, call: DriverCall): Maybe<void>;
  /** Keeps what was changed; awaited when the VM is disposed. */
  flush?(): Maybe<void>;
  /** How long one call may take, in ms; 5000 unless given. */
  readonly timeoutMs?: number;
}

const PLUGIN = Symbol.for("agentos.plugin");

/** A filesystem of agentOS's own, made by one of the functions below. */
export interface Backend {
  readonly [PLUGIN]: NativePlugin;
}

/** A mount. */
export type MountConfig = { path: string; readOnly?: boolean; maxBytes?: number; maxFiles?: number } & (
  | { driver: FilesystemDriver | Backend }
  | { plugin: NativePlugin }
  | { lowers: (FilesystemDriver | Backend)[]; upper?: FilesystemDriver | Backend }
);

/** An empty filesystem in memory. */
export function createInMemoryFileSystem(): Backend {
  return { [PLUGIN]: { id: "memory" } };
}

/** A directory of the host. Programs in the VM cannot leave it. */
export function createHostDirBackend(config: { hostPath: string; readOnly?: boolean }): Backend {
  const given = check.object("config", config);
  check.known("config", given, ["hostPath", "readOnly"]);
  check.text("config.hostPath", given["hostPath"]);
  return { [PLUGIN]: { id: "host_dir", config: { ...config } } };
}

/** The functions that a VM's mounts use, to be forgotten with it. */
export type Hooks = number[];

/** A mount in the form that the addon takes. */
export function nativeMount(path: string, config: unknown, hooks: Hooks): Record<string, unknown> {
  const given = check.object(path, config);
  const { driver, plugin, lowers, upper, ...rest } = given;
  const ways = [driver, plugin, lowers].filter((way) => way !== undefined).length;
  if (ways !== 1) throw invalidConfig(path, "must have exactly one of driver, plugin and lowers");
  if (driver !== undefined) return { ...rest, plugin: nativeDriver(`${path}.driver`, driver, hooks) };
  if (plugin !== undefined) return { ...rest, plugin: nativePlugin(`${path}.plugin`, plugin) };
  const layers = check.array(`${path}.lowers`, lowers).map((lower, at) => nativeDriver(`${path}.lowers[${at}]`, lower, hooks));
  const layer = upper === undefined ? {} : { upper: nativeDriver(`${path}.upper`, upper, hooks) };
  return { ...rest, plugin: { id: "overlay", config: { lowers: layers, ...layer } } };
}

function nativePlugin(path: string, plugin: unknown): NativePlugin {
  const given = check.object(path, plugin);
  // The form of a driver's dispatcher is between this file and the addon.
  check.word(`${path}.id`, given["id"], ["memory", "host_dir", "overlay"]);
  return given as unknown as NativePlugin;
}

/** A driver or backend as a plugin of the addon's. */
export function nativeDriver(path: string, driver: unknown, hooks: Hooks): NativePlugin {
  const given = check.object(path, driver);
  if (PLUGIN in given) return (given as unknown as Backend)[PLUGIN];
  for (const method of ["stat", "readdir", "readFile"]) check.callable(`${path}.${method}`, given[method]);
  const timeoutMs = given["timeoutMs"];
  if (timeoutMs !== undefined) check.integer(`${path}.timeoutMs`, timeoutMs, 1, 2 ** 31 - 1);
  const one = driver as FilesystemDriver;
  const served = new Served(one);
  const number = hook(`the filesystem driver at ${path}`, (args, signal) => served.dispatch(args, signal));
  hooks.push(number);
  drivers.set(number, served);
  return { id: "script", config: { function: number, ...(timeoutMs === undefined ? {} : { timeoutMs }) } };
}

/** Forgets the functions of a VM's mounts. */
export function forget(hooks: Hooks): void {
  for (const number of hooks.splice(0)) {
    unhook(number);
    drivers.get(number)?.close();
    drivers.delete(number);
  }
}

/** Drivers of mounts, by the numbers of their functions. */
const drivers = new Map<number, Served>();

/**
 * Gives up what waits for the drivers of a VM that is being disposed: the programs that wait are about to end, and must not hold
 * it up until their deadlines have passed. Nothing is asked of the drivers any more but {@link flush}.
 */
export function abandon(hooks: Hooks): void {
  for (const number of hooks) drivers.get(number)?.close();
}

/** Lets all drivers of a VM keep what was changed; fails with the first that cannot. */
export async function flush(hooks: Hooks): Promise<void> {
  const flushed = await Promise.allSettled(hooks.map(async (number) => drivers.get(number)?.driver.flush?.()));
  for (const one of flushed) if (one.status === "rejected") throw one.reason;
}
