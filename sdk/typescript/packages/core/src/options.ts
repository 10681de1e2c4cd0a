/** Options of a VM: their types, and how they become plain data for the addon. */
import type { EnvValue } from "@agentos/client";
import { join } from "node:path";
import * as check from "./check.js";
import { describe, invalidConfig, unsupported } from "./errors.js";
import { type Backend, type FilesystemDriver, type Hooks, type MountConfig, nativeDriver, nativeMount } from "./mounts.js";
import type { ScheduleDriver } from "./cron.js";
import { type Sidecar, ownerOf } from "./sidecar.js";
import { type SoftwareInput, readSoftware } from "./software.js";
import { type ToolKit, nativeKit } from "./tools.js";

/** A rule list or mode of one scope of the policy; see the guide to permissions. */
export type PermissionScope = "allow" | "deny" | { default?: "allow" | "deny"; rules?: unknown[] } | Record<string, unknown>;

/** A credential that never enters the VM: its programs see a placeholder, requests to its hosts carry the value. */
export interface SecretConfig {
  /** The variable in the VM. */
  name: string;
  value: string;
  /** Hosts that may receive it. */
  hosts: string[];
  /** The header that carries it; `authorization` and others unless given. */
  header?: string;
}

/** Options of a VM; each has a default. */
export interface AgentOsOptions {
  /** Programs and agents; a VM without any has no command at all. */
  software?: readonly SoftwareInput[];
  rootFilesystem?: {
    /** `readonly`: nothing outside of mounts can be changed, not even `/tmp` and the home directory. */
    mode?: "overlay" | "readonly";
    /** Refused: the base layer has the directories that every program needs. Lay yours over it. */
    disableDefaultBaseLayer?: false;
    /** Filesystems over the base layer, never written; the first is on top. */
    lowers?: (FilesystemDriver | Backend)[];
    /** The files that the VM starts with, from `RootSnapshotExport.toBytes()`. */
    snapshot?: Uint8Array;
  };
  mounts?: MountConfig[];
  /** Paths that survive sleep, for VMs of a registry. An embedded VM does not sleep. */
  persist?: string[] | "all";
  permissions?: Record<string, PermissionScope>;
  /** Groups of limits: `{ resources: { maxProcesses: 64 } }`. */
  limits?: { [group: string]: { [limit: string]: number } };
  toolKits?: ToolKit[];
  /** Added to the system prompt of every session. */
  additionalInstructions?: string;
  /** Layers of Linux programs: `"host"`, or paths of images, the first at the bottom. See the guide to images. */
  image?: string | string[];
  /** Whose tools come first in an image's VM: the bundled ones unless given. */
  tools?: "bundled" | "image";
  /** Ports of the host's loopback that programs of the VM may reach. */
  loopbackExemptPorts?: number[];
  network?: {
    dns?: { servers?: string[]; override?: Record<string, string[]> };
    listen?: { minPort?: number; maxPort?: number; allowPrivileged?: boolean };
    metadataAddresses?: string[];
    idleTimeoutMs?: number;
    totalTimeoutMs?: number;
    proxy?: string;
    /** PEM texts of certificate authorities to trust besides the web's. */
    trustRoots?: string[];
  };
  /** Variables of every process. `{ secret: "NAME" }` is the host's variable `AGENTOS_SECRET_NAME`. */
  env?: Record<string, EnvValue>;
  secrets?: SecretConfig[];
  clientSecrets?: string[];
  /** Directory of the host whose `node_modules` is seen at `/root/node_modules`, read-only. */
  moduleAccessCwd?: string;
  allowedNodeBuiltins?: string[];
  /** Where processes start; `/home/user` unless given. */
  cwd?: string;
  hostname?: string;
  /** Own timer for cron jobs. */
  scheduleDriver?: ScheduleDriver;
  sidecar?: { kind: "shared"; pool?: string } | { kind: "explicit"; handle: Sidecar };
  /** Reserved: a VM whose files are kept in a database. */
  database?: { type: "sqlite_file"; path: string };
}

const KNOWN = [
  "software", "rootFilesystem", "mounts", "persist", "permissions", "limits", "toolKits", "additionalInstructions",
  "loopbackExemptPorts", "network", "env", "secrets", "clientSecrets", "moduleAccessCwd", "allowedNodeBuiltins", "cwd",
  "hostname", "image", "tools", "scheduleDriver", "sidecar", "database",
] as const;

/** Members that go to the addon as they are. */
const PLAIN = [
  "persist", "permissions", "limits", "loopbackExemptPorts", "network", "secrets", "cwd", "hostname", "image", "tools",
  "additionalInstructions",
] as const;

/** What options come down to. */
export interface Plan {
  /** For the addon. */
  native: Record<string, unknown>;
  /** The files to start with. */
  snapshot: Uint8Array | undefined;
  hooks: Hooks;
  scheduleDriver: ScheduleDriver | undefined;
  sidecar: Sidecar;
}

/** Checks what only this side can check, and translates the rest. */
export function plan(options: unknown): Plan {
  const given = options === undefined ? {} : check.object("options", options);
  check.known("", given, KNOWN);
  refuseMissing(given);
  const software = readSoftware("software", given["software"] ?? []);
  const hooks: Hooks = [];
  const native: Record<string, unknown> = { software: software.packages, agents: software.agents };
  for (const name of PLAIN) if (given[name] !== undefined) native[name] = withoutUndefined(given[name]);
  if (given["env"] !== undefined) native["env"] = environment("env", given["env"]);
  const { snapshot, ...root } = readRoot(given["rootFilesystem"], hooks);
  if (Object.keys(root).length > 0) native["rootFilesystem"] = root;
  const mounts = check.array("mounts", given["mounts"] ?? []);
  native["mounts"] = [
    ...mounts.map((mount, at) => withoutUndefined(nativeMount(`mounts[${at}]`, mount, hooks))),
    ...modules(given["moduleAccessCwd"]),
  ];
  const kits = check.array("toolKits", given["toolKits"] ?? []);
  native["toolKits"] = kits.map((kit, at) => withoutUndefined(nativeKit(`toolKits[${at}]`, kit, hooks)));
  for (const name of ["clientSecrets", "allowedNodeBuiltins"]) {
    check.array(name, given[name] ?? []).forEach((item, at) => check.text(`${name}[${at}]`, item));
  }
  return {
    native,
    snapshot,
    hooks,
    scheduleDriver: driver(given["scheduleDriver"]),
    sidecar: ownerOf(given["sidecar"]),
  };
}

/** What the documentation has and this version does not: said before anything starts. */
function refuseMissing(given: Record<string, unknown>): void {
  if (given["database"] !== undefined) {
    throw unsupported("database: embedded VMs are in memory; VMs whose files survive are those of a registry");
  }
}

/** The modules of a directory of the host as a mount: nothing is seen of the host unless somebody asks for it. */
function modules(given: unknown): Record<string, unknown>[] {
  if (given === undefined) return [];
  const hostPath = join(check.text("moduleAccessCwd", given), "node_modules");
  return [{ path: "/root/node_modules", readOnly: true, plugin: { id: "host_dir", config: { hostPath } } }];
}

/** The form of the root: what is plain data for the addon, and a snapshot's bytes. */
function readRoot(given: unknown, hooks: Hooks): { mode?: string; lowers?: unknown[]; snapshot?: Uint8Array } {
  if (given === undefined) return {};
  const members = check.object("rootFilesystem", given);
  check.known("rootFilesystem", members, ["mode", "disableDefaultBaseLayer", "lowers", "snapshot"]);
  const { mode = "overlay", disableDefaultBaseLayer = false, lowers = [], snapshot } = members;
  check.word("rootFilesystem.mode", mode, ["overlay", "readonly"]);
  if (check.flag("rootFilesystem.disableDefaultBaseLayer", disableDefaultBaseLayer)) {
    throw unsupported("rootFilesystem.disableDefaultBaseLayer: the base layer has the directories that every program needs; lay yours over it");
  }
  const layers = check.array("rootFilesystem.lowers", lowers).map((lower, at) => nativeDriver(`rootFilesystem.lowers[${at}]`, lower, hooks));
  if (snapshot !== undefined && !(snapshot instanceof Uint8Array)) {
    throw invalidConfig("rootFilesystem.snapshot", "must be a Uint8Array", describe(snapshot));
  }
  return {
    ...(mode === "readonly" ? { mode } : {}),
    ...(layers.length > 0 ? { lowers: layers } : {}),
    ...(snapshot === undefined ? {} : { snapshot }),
  };
}

function driver(given: unknown): ScheduleDriver | undefined {
  if (given === undefined) return undefined;
  const members = check.object("scheduleDriver", given);
  for (const method of ["schedule", "cancel", "dispose"]) check.callable(`scheduleDriver.${method}`, members[method]);
  return given as ScheduleDriver;
}

/** Variables, with references to secrets of the host replaced by their values. */
export function environment(path: string, env: unknown): Record<string, string> {
  const resolved: Record<string, string> = {};
  for (const [name, value] of Object.entries(check.object(path, env))) {
    if (value === undefined) continue;
    resolved[name] = typeof value === "object" ? secret(`${path}.${name}`, value) : check.text(`${path}.${name}`, value);
  }
  return resolved;
}

function secret(path: string, reference: unknown): string {
  const given = check.object(path, reference);
  check.known(path, given, ["secret"]);
  const name = check.text(`${path}.secret`, given["secret"]);
  const value = process.env[`AGENTOS_SECRET_${name}`];
  if (value !== undefined) return value;
  throw invalidConfig(`${path}.secret`, `the host's environment has no variable AGENTOS_SECRET_${name}`);
}

/** A member that is undefined is one that is not there. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, withoutUndefined(member)]));
}
