/** Options of a VM as programs write them. What is wrong with them is said by the native side, with the path of the key. */
import type { EnvValue } from "@agentos/client";
import { type MountConfig, type SecretConfig, type SoftwareInput, type ToolKit, planKit, planMount } from "@agentos/core";

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
  /** Another root filesystem; not available in this version. */
  rootFilesystem?: unknown;
  /** Where processes start; `/home/user` unless given. */
  cwd?: string;
  /** The VM's name for itself. */
  hostname?: string;
}

/**
 * Options with their mounts and tools in the native form. Filesystems and kits of the program's own are registered with the
 * addon, once each: definitions live as long as the process.
 */
export function withNativeParts(options: unknown): unknown {
  if (options === null || typeof options !== "object") return options;
  const { mounts, toolKits } = options as { mounts?: unknown; toolKits?: unknown };
  // What is no object of options at all is for the native side to refuse.
  if (!Array.isArray(mounts) && !Array.isArray(toolKits)) return options;
  return {
    ...options,
    ...(Array.isArray(mounts) ? { mounts: mounts.map((mount, at) => plainMount(`options.mounts[${at}]`, mount)) } : {}),
    ...(Array.isArray(toolKits) ? { toolKits: toolKits.map((kit, at) => plainKit(`options.toolKits[${at}]`, kit)) } : {}),
  };
}

const plainKits = new WeakMap<object, unknown>();

function plainKit(path: string, kit: unknown): unknown {
  if (kit === null || typeof kit !== "object") return kit;
  const known = plainKits.get(kit) ?? planKit(path, kit, []);
  plainKits.set(kit, known);
  return known;
}

const plainMounts = new WeakMap<object, unknown>();

function plainMount(path: string, mount: unknown): unknown {
  if (mount === null || typeof mount !== "object") return mount;
  const driver = (mount as { driver?: unknown }).driver;
  const known = typeof driver === "object" && driver !== null ? plainMounts.get(driver) : undefined;
  if (known !== undefined) return { ...mount, driver: undefined, plugin: known };
  const planned = planMount(path, mount, []);
  if (typeof driver === "object" && driver !== null) plainMounts.set(driver, planned["plugin"]);
  return planned;
}
