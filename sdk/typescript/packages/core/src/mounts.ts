/**
 * What can be mounted, and filesystems written in TypeScript.
 *
 * A driver's methods are called with paths within the mount (`/`, `/a/b`), one at a time or many at once, each with a
 * deadline. What it throws reaches the program in the VM as `EIO`, unless the error has the `code` of a system error
 * (`ENOENT`, `EACCES`, ...), as errors of `node:fs` have.
 */
import { hook, unhook } from "@agentos/native";
import * as check from "./check.js";
import { invalidConfig, systemError } from "./errors.js";

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

type Maybe<T> = T | Promise<T>;

/**
 * A filesystem written in TypeScript. Only {@link stat}, {@link readdir} and {@link readFile} are needed; without the others
 * what they would do is refused with `EROFS` or `ENOSYS`.
 */
export interface FilesystemDriver {
  /** What is at a path; throws an error with code `ENOENT` if nothing is. */
  stat(path: string): Maybe<DriverStat>;
  /** What is in a directory. */
  readdir(path: string): Maybe<DriverEntry[]>;
  /** The whole content of a file. */
  readFile(path: string): Maybe<Uint8Array | string>;
  /** A part of a file; {@link readFile} is used without it. Fewer bytes than asked for end the file. */
  pread?(path: string, offset: number, length: number): Maybe<Uint8Array>;
  /** Creates a file or replaces its content. */
  writeFile?(path: string, content: Uint8Array): Maybe<void>;
  /** Writes a part of a file; {@link readFile} and {@link writeFile} are used without it. */
  pwrite?(path: string, offset: number, content: Uint8Array): Maybe<void>;
  /** Makes a file shorter or longer; {@link readFile} and {@link writeFile} are used without it. */
  truncate?(path: string, size: number): Maybe<void>;
  mkdir?(path: string): Maybe<void>;
  /** Removes a file or link. */
  unlink?(path: string): Maybe<void>;
  /** Removes an empty directory. */
  rmdir?(path: string): Maybe<void>;
  rename?(from: string, to: string): Maybe<void>;
  /** Where a link leads. */
  readlink?(path: string): Maybe<string>;
  symlink?(path: string, target: string): Maybe<void>;
  chmod?(path: string, mode: number): Maybe<void>;
  utimes?(path: string, mtimeMs: number): Maybe<void>;
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
  const number = hook(`the filesystem driver at ${path}`, (args) => dispatch(one, args));
  hooks.push(number);
  drivers.set(number, one);
  return { id: "script", config: { function: number, ...(timeoutMs === undefined ? {} : { timeoutMs }) } };
}

/** Forgets the functions of a VM's mounts. */
export function forget(hooks: Hooks): void {
  for (const number of hooks.splice(0)) {
    unhook(number);
    drivers.delete(number);
  }
}

/** Drivers of mounts, by the numbers of their functions. */
const drivers = new Map<number, FilesystemDriver>();

/** Lets all drivers of a VM keep what was changed; fails with the first that cannot. */
export async function flush(hooks: Hooks): Promise<void> {
  const flushed = await Promise.allSettled(hooks.map(async (number) => drivers.get(number)?.flush?.()));
  for (const one of flushed) if (one.status === "rejected") throw one.reason;
}

/** Carries out one operation of the kernel's. */
async function dispatch(driver: FilesystemDriver, args: unknown[]): Promise<unknown> {
  const [method, path, ...rest] = args as [string, string, ...unknown[]];
  try {
    return await operate(driver, method, path, rest);
  } catch (error) {
    const errno = errnoOf(error);
    // The shape of an error that is told and not reported.
    if (errno !== undefined) throw systemError(errno, method, path);
    throw error;
  }
}

function operate(driver: FilesystemDriver, method: string, path: string, rest: unknown[]): unknown {
  const [first, second] = rest;
  switch (method) {
    case "stat":
      return driver.stat(path);
    case "list":
      return list(driver, path);
    case "read":
      return read(driver, path, first as number, second as number);
    case "write":
      return write(driver, path, first as number, second as Uint8Array);
    case "create":
      return create(driver, path);
    case "truncate":
      return truncate(driver, path, first as number);
    case "mkdir":
      return needed(driver.mkdir, method, path).call(driver, path);
    case "unlink":
      return needed(driver.unlink, method, path).call(driver, path);
    case "rmdir":
      return needed(driver.rmdir, method, path).call(driver, path);
    case "rename":
      return needed(driver.rename, method, path).call(driver, path, first as string);
    case "readlink":
      return needed(driver.readlink, method, path).call(driver, path);
    case "symlink":
      return needed(driver.symlink, method, path).call(driver, path, first as string);
    // Modes and times that a driver does not keep are no reason to fail.
    case "chmod":
      return driver.chmod?.(path, first as number);
    case "utimes":
      return driver.utimes?.(path, first as number);
    default:
      throw systemError("ENOSYS", method, path);
  }
}

/** A method that a driver may lack: without it the filesystem cannot be changed in this way. */
function needed<F>(method: F | undefined, name: string, path: string): F {
  if (method === undefined) throw systemError(name === "readlink" ? "EINVAL" : "EROFS", name, path);
  return method;
}

async function list(driver: FilesystemDriver, path: string): Promise<[string, string][]> {
  const entries = await driver.readdir(path);
  const base = path === "/" ? "" : path;
  return Promise.all(
    entries.map(async (entry): Promise<[string, string]> => {
      if (typeof entry !== "string") return [entry.name, entry.type];
      const kind = await Promise.resolve(driver.stat(`${base}/${entry}`)).then((stat) => stat.type).catch(() => "file");
      return [entry, kind];
    }),
  );
}

async function whole(driver: FilesystemDriver, path: string): Promise<Uint8Array> {
  const content = await driver.readFile(path);
  return typeof content === "string" ? new TextEncoder().encode(content) : content;
}

async function read(driver: FilesystemDriver, path: string, offset: number, length: number): Promise<Uint8Array> {
  if (driver.pread !== undefined) return driver.pread(path, offset, length);
  return (await whole(driver, path)).subarray(offset, offset + length);
}

async function write(driver: FilesystemDriver, path: string, offset: number, content: Uint8Array): Promise<void> {
  if (driver.pwrite !== undefined) return driver.pwrite(path, offset, content);
  const writeFile = needed(driver.writeFile, "write", path);
  const old = await whole(driver, path);
  const next = new Uint8Array(Math.max(old.length, offset + content.length));
  next.set(old);
  next.set(content, offset);
  await writeFile.call(driver, path, next);
}

async function create(driver: FilesystemDriver, path: string): Promise<void> {
  const writeFile = needed(driver.writeFile, "create", path);
  await writeFile.call(driver, path, new Uint8Array());
}

async function truncate(driver: FilesystemDriver, path: string, size: number): Promise<void> {
  if (driver.truncate !== undefined) return driver.truncate(path, size);
  const writeFile = needed(driver.writeFile, "truncate", path);
  const next = new Uint8Array(size);
  next.set((await whole(driver, path)).subarray(0, size));
  await writeFile.call(driver, path, next);
}

function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
