/** Options of a VM as programs write them. What is wrong with them is said by the native side, with the path of the key. */
import type { EnvValue } from "@agentos/client";
import { type MountConfig, type SecretConfig, type SoftwareInput, type ToolKit, forgetHooks, planKit, planMount } from "@agentos/core";

export type { MountConfig, SecretConfig, SoftwareInput } from "@agentos/core";

/** The way out of a VM. */
export interface NetworkConfig {
  /** Name servers, and answers that stand already. */
  dns?: { servers?: string[]; override?: Record<string, string[]> };
  /** Ports at which the VM may listen. */
  listen?: { minPort?: number; maxPort?: number; allowPrivileged?: boolean };
  /** Addresses that hold credentials of the host, besides the known ones. */
  metadataAddresses?: string[];
  /** Milliseconds after which a silent connection ends. */
  idleTimeoutMs?: number;
  /** Milliseconds after which every connection ends. */
  totalTimeoutMs?: number;
  /** A proxy of the host for all connections. */
  proxy?: string;
  /** PEM texts of authorities that are trusted besides the web's. */
  trustRoots?: string[];
}

/** Bounds of a VM, by group and field; all of them are in the guide to limits. */
export interface Limits {
  /** Of what a VM has: processes, descriptors, files, memory. */
  resources?: Record<string, number>;
  /** Of processes and their output. */
  process?: Record<string, number>;
  /** Of WebAssembly programs. */
  wasm?: Record<string, number>;
  /** Of the network. */
  network?: Record<string, number>;
  /** Of requests to servers in the VM. */
  http?: Record<string, number>;
  /** Of TLS connections that the host makes for the VM. */
  tls?: Record<string, number>;
  /** Of previews. */
  preview?: Record<string, number>;
  /** Of scheduled jobs. */
  cron?: Record<string, number>;
  /** Filesystems that the application serves. */
  plugins?: Record<string, number>;
  /** Groups that newer servers have. */
  [group: string]: Record<string, number> | undefined;
}

/** Options of a VM. */
export interface AgentOsOptions {
  /** Packages of commands and agents. Without one the VM has no command at all. */
  software?: readonly SoftwareInput[];
  /** Filesystems to mount. */
  mounts?: readonly MountConfig[];
  /** Directories that survive sleep, or everything; `["/home/user"]` unless given. */
  persist?: readonly string[] | "all";
  /** What programs and clients may do. */
  permissions?: unknown;
  /** Bounds. */
  limits?: Limits;
  /** Appended to the system prompt of every session. */
  additionalInstructions?: string;
  /** Ports of the host's loopback that the VM reaches. */
  loopbackExemptPorts?: readonly number[];
  /** The way out. */
  network?: NetworkConfig;
  /** Added to the environment of every process. */
  env?: Record<string, EnvValue>;
  /** Credentials that never enter the VM. */
  secrets?: readonly SecretConfig[];
  /** Secrets that clients may refer to. */
  clientSecrets?: readonly string[];
  /** Host directory whose `node_modules` is seen at `/root/node_modules`, read-only. */
  moduleAccessCwd?: string;
  /** Node.js modules that JavaScript in the VM may load. */
  allowedNodeBuiltins?: readonly string[];
  /** Functions of the program that programs and agents in the VM may call. */
  toolKits?: readonly ToolKit[];
  /** Layers of Linux programs: `"host"`, or paths of images, the first at the bottom. */
  image?: string | readonly string[];
  /** Whose tools come first in an image's VM: the bundled ones unless given. */
  tools?: "bundled" | "image";
  /** Another root filesystem; not available in this version. */
  rootFilesystem?: unknown;
  /** Where processes start; `/home/user` unless given. */
  cwd?: string;
  /** The VM's name for itself. */
  hostname?: string;
}

/**
 * Options with their mounts and tools in the native form. Filesystems and kits of the program's own are registered with the
 * addon. Those of options that are written down stay for as long as the process, those of options that are made at each boot
 * until the same VM boots again: `vm` names it.
 */
export function withNativeParts(options: unknown, vm?: string): unknown {
  if (options === null || typeof options !== "object") return options;
  const { mounts, toolKits } = options as { mounts?: unknown; toolKits?: unknown };
  const used: Part[] = [];
  try {
    // What is no object of options at all is for the native side to refuse.
    return {
      ...options,
      ...(Array.isArray(mounts) ? { mounts: mounts.map((mount, at) => plainMount(`options.mounts[${at}]`, mount, used)) } : {}),
      ...(Array.isArray(toolKits) ? { toolKits: toolKits.map((kit, at) => plainKit(`options.toolKits[${at}]`, kit, used)) } : {}),
    };
  } finally {
    if (vm !== undefined) replace(vm, used);
  }
}

/** Something of a program's that the native side can call. */
interface Part {
  readonly owner: object;
  readonly plain: unknown;
  readonly hooks: number[];
  /** VMs that have it, and one for options that are written down. */
  users: number;
}

/** Parts by the driver or kit that they were made of, so that each is registered once. */
const parts = new WeakMap<object, Part>();

/** Parts of the last boot of each VM whose options are made at its boots. */
const held = new Map<string, Part[]>();

/** A VM boots with these parts; what its last boot had is over. */
function replace(vm: string, used: Part[]): void {
  const before = held.get(vm) ?? [];
  if (used.length > 0) held.set(vm, used);
  else held.delete(vm);
  for (const part of before) {
    part.users -= 1;
    if (part.users > 0) continue;
    forgetHooks(part.hooks);
    parts.delete(part.owner);
  }
}

/** The part that an object stands for, made by `plan` if it is not known. */
function part(owner: object, used: Part[], plan: (hooks: number[]) => unknown): unknown {
  let known = parts.get(owner);
  if (known === undefined) {
    const hooks: number[] = [];
    known = { owner, plain: plan(hooks), hooks, users: 0 };
    parts.set(owner, known);
  }
  known.users += 1;
  used.push(known);
  return known.plain;
}

function plainKit(path: string, kit: unknown, used: Part[]): unknown {
  if (kit === null || typeof kit !== "object") return kit;
  return part(kit, used, (hooks) => planKit(path, kit, hooks));
}

function plainMount(path: string, mount: unknown, used: Part[]): unknown {
  if (mount === null || typeof mount !== "object") return mount;
  const driver = (mount as { driver?: unknown }).driver;
  if (typeof driver !== "object" || driver === null) return part(mount, used, (hooks) => planMount(path, mount, hooks));
  // The place of a driver may differ from mount to mount.
  const plugin = part(driver, used, (hooks) => planMount(path, mount, hooks)["plugin"]);
  const { driver: _, ...rest } = mount as { driver: unknown };
  return { ...rest, plugin };
}
