/**
 * The addon itself: which file it is, and what it exports. A missing addon is one error with the fix in it; it is thrown
 * when something is first asked of the addon, so importing the package never fails.
 *
 * It is found and loaded with as little of Node.js as does: `require` takes every path apart letter by letter, several times, in
 * functions that Node.js 24 then compiles for speed, and its compiler alone is 2 MiB that the process did not have in memory
 * before. So the file is looked for here, where Node.js would look, and `require` is asked only if it is not there: package managers
 * with other places teach it where they are.
 */
import { ActorError } from "@agentos/client/errors";

/** The result of a call that may take time: `null` when the end comes later, under the call's id. */
export type Started = unknown;

/** What the addon exports. See `crates/node/src/core/exports.rs` for what each function does. */
export interface Addon {
  open(drain: () => void): void;
  drain(): unknown[];
  settle(call: number, ok: boolean, value: unknown): void;
  cancel(id: number): void;
  rest(): void;
  commands(): string[];
  cronNext(schedule: string, timezone: string, after: number): number;
  vmCreate(id: number, options: unknown, snapshot?: Uint8Array): Started;
  vmCall(vm: number, id: number, name: string, args: unknown[], host: boolean): Started;
  vmCallNow(vm: number, name: string, args: unknown[]): unknown;
  vmExec(vm: number, id: number, argv: boolean, args: unknown[]): Started;
  vmDispose(vm: number, id: number): Started;
  vmRelease(vm: number): void;
  vmMount(vm: number, id: number, mount: unknown): Started;
  vmUnmount(vm: number, id: number, path: string): Started;
  vmAddSoftware(vm: number, id: number, name: string): Started;
  vmMounts(vm: number, id: number): Started;
  vmFork(vm: number, id: number): Started;
  vmArchive(vm: number, id: number): Started;
  vmExplain(vm: number, scope: string, operation: string, resources: string[]): unknown;
  vmUsage(vm: number): unknown;
  vmAwake(vm: number): string[];
  sessionEvents(vm: number, session: string, since: number): unknown[];
  sessionTail(vm: number, session: string, bytes: number): number;
  vmFetch(vm: number, id: number, port: number, head: unknown, body: unknown): Started;
  fetchBegin(vm: number): number;
  fetchWrite(vm: number, id: number, body: number, piece: Uint8Array | string | undefined): Started;
  fetchRead(vm: number, id: number, body: number): Started;
  fetchClose(vm: number, body: number): void;
  /** Functions of other parts of the addon. */
  [name: string]: any;
}

/** Platforms that have a package. */
const PLATFORMS = ["linux-x64-gnu", "linux-arm64-gnu"];

/** The file in the package of a platform. */
const FILE = "agentos.node";

/** Where this thread's addons are, by their files, for all copies of this module: the function that loads them is there once. */
const LOADED = Symbol.for("agentos.native.loaded");

let loaded: Addon | undefined;

/** The addon, loaded at the first call. */
export function addon(): Addon {
  return (loaded ??= load());
}

function load(): Addon {
  const given = process.env["AGENTOS_NATIVE_ADDON"];
  // Which C library it is takes a report of the whole process to find out; there are packages for one of them only.
  const name = given === undefined || given === "" ? `@agentos/native-${platformWith("gnu")}` : given;
  try {
    return open(file(name));
  } catch (cause) {
    throw new ActorError("agentos", "native_addon_missing", explain(name, cause), { package: name }, { cause });
  }
}

function open(path: string): Addon {
  const loader = process.dlopen as { [LOADED]?: Map<string, Addon> };
  const addons = (loader[LOADED] ??= new Map<string, Addon>());
  const known = addons.get(path);
  if (known !== undefined) return known;
  const module = { exports: {} as Addon };
  process.dlopen(module, path);
  addons.set(path, module.exports);
  return module.exports;
}

/** The file of an addon: of a package by its name, or as it is. */
function file(name: string): string {
  // Before Node.js 20.16 there is no way to ask for modules of its own without importing them always.
  const builtin = (process as Partial<typeof process>).getBuiltinModule;
  const fs = builtin?.("node:fs");
  const path = name.startsWith("/") ? name : installed(name, fs?.existsSync ?? isThere);
  if (builtin === undefined || fs === undefined) return path ?? pathOf(new URL(import.meta.resolve(name)));
  // One file under two names would be two addons.
  return fs.realpathSync.native(path ?? builtin("node:module").createRequire(import.meta.url).resolve(name));
}

/** Whether a file is there, by what loading it says. */
function isThere(path: string): boolean {
  try {
    open(path);
    return true;
  } catch (error) {
    return !(error as Error).message.startsWith(`${path}: cannot open shared object file`);
  }
}

/** The file of a package's addon in the next `node_modules` that has it, from here to the root. */
function installed(name: string, exists: (path: string) => boolean): string | undefined {
  for (let folder = new URL(".", import.meta.url), last = ""; folder.href !== last; folder = new URL("..", folder)) {
    last = folder.href;
    const path = pathOf(new URL(`node_modules/${name}/${FILE}`, folder));
    if (exists(path)) return path;
  }
  return undefined;
}

function pathOf(url: URL): string {
  return decodeURIComponent(url.pathname);
}

function explain(name: string, cause: unknown): string {
  const reason = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause);
  if (!isNotFound(cause)) return `agentOS could not load its native addon ${name}: ${reason}`;
  if (!PLATFORMS.includes(platform())) {
    const known = PLATFORMS.join(", ");
    return `agentOS has no native addon for ${platform()} (there are ${known}); build one from source and set AGENTOS_NATIVE_ADDON to it`;
  }
  return (
    `agentOS did not find its native addon ${name}; install it with "npm install ${name}". ` +
    `npm leaves it out with --omit=optional, and when package-lock.json was made on another platform`
  );
}

const NOT_FOUND = ["MODULE_NOT_FOUND", "ERR_MODULE_NOT_FOUND"];

function isNotFound(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && NOT_FOUND.includes(cause.code as string);
}

/** This platform as napi-rs names it. */
export function platform(): string {
  return platformWith(process.platform === "linux" && isMusl() ? "musl" : "gnu");
}

function platformWith(library: "gnu" | "musl"): string {
  const base = `${process.platform}-${process.arch}`;
  return process.platform === "linux" ? `${base}-${library}` : base;
}

function isMusl(): boolean {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime === undefined;
}
