/**
 * The addon itself: which file it is, and what it exports. A missing addon is one error with the fix in it; it is thrown
 * when something is first asked of the addon, so importing the package never fails.
 */
import { createRequire } from "node:module";
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

const require = createRequire(import.meta.url);
let loaded: Addon | undefined;

/** The addon, loaded at the first call. */
export function addon(): Addon {
  return (loaded ??= load());
}

function load(): Addon {
  const file = process.env["AGENTOS_NATIVE_ADDON"];
  const name = file === undefined || file === "" ? `@agentos/native-${platform()}` : file;
  try {
    return require(name) as Addon;
  } catch (cause) {
    throw new ActorError("agentos", "native_addon_missing", explain(name, cause), { package: name }, { cause });
  }
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

function isNotFound(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "MODULE_NOT_FOUND";
}

/** This platform as napi-rs names it. */
export function platform(): string {
  const base = `${process.platform}-${process.arch}`;
  return process.platform === "linux" ? `${base}-${isMusl() ? "musl" : "gnu"}` : base;
}

function isMusl(): boolean {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime === undefined;
}
