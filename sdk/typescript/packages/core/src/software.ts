/** Software packages: what programs a VM has (api.md section 9). */
import * as check from "./check.js";
import { describe, invalidConfig, unsupported } from "./errors.js";

/** What a software package exports. */
export interface SoftwareDescriptor {
  /** Its name, such as `common` or `pi`. */
  readonly name?: string;
  /** `commands` unless it is an agent. */
  readonly type?: "commands" | "wasm-commands" | "agent";
  /** Of an agent: its id, its adapter and the package that it runs. */
  readonly agent?: {
    readonly id: string;
    readonly acpAdapter?: string;
    readonly agentPackage?: string;
    /** The program in the VM that speaks the protocol, with its arguments; that of the adapter unless given. */
    readonly command?: string | readonly string[];
  };
  /** A directory of the host with programs; not supported yet. */
  readonly commandDir?: string;
  readonly [key: string]: unknown;
}

/** A descriptor, the name of a bundled package, or any nesting of these. */
export type SoftwareInput = SoftwareDescriptor | string | readonly SoftwareInput[];

/** Names of command packages; all are parts of the bundled userland. */
const COMMANDS = [
  "common", "coreutils", "curl", "diffutils", "file", "findutils", "gawk", "grep", "gzip", "jq", "ripgrep", "sed", "sqlite3",
  "tar", "tree", "unzip", "wget", "yq", "zip",
];

/** Agents, which sessions run. */
const AGENTS = ["pi", "pi-cli", "claude", "codex", "opencode"];

/** An agent that the software brings. */
export interface Agent {
  id: string;
  acpAdapter: string;
  agentPackage: string;
  command?: string | string[];
}

/** What a list of software comes down to. */
export interface Software {
  /** Packages for the addon. */
  packages: string[];
  agents: Agent[];
}

/** Packages nested at most. */
const DEPTH_MAX = 8;

/** Reads `options.software`. */
export function readSoftware(path: string, input: unknown): Software {
  const software: Software = { packages: [], agents: [] };
  check.array(path, input).forEach((item, at) => collect(`${path}[${at}]`, item, software, 0));
  return { packages: [...new Set(software.packages)], agents: software.agents };
}

function collect(path: string, input: unknown, into: Software, depth: number): void {
  if (Array.isArray(input)) {
    if (depth >= DEPTH_MAX) throw invalidConfig(path, `arrays are nested at most ${DEPTH_MAX} deep`);
    input.forEach((item, at) => collect(`${path}[${at}]`, item, into, depth + 1));
    return;
  }
  if (typeof input === "string") return bundled(path, input, into);
  const given = check.object(path, input);
  if (typeof given["commandDir"] === "string") {
    throw unsupported(`${path}.commandDir: programs from a directory of the host cannot be added to a VM yet`);
  }
  check.word(`${path}.type`, given["type"] ?? "commands", ["commands", "wasm-commands", "agent"]);
  if (given["agent"] !== undefined) into.agents.push(readAgent(`${path}.agent`, given["agent"]));
  else if (given["id"] !== undefined) into.agents.push(readAgent(path, given));
  else bundled(`${path}.name`, check.text(`${path}.name`, given["name"]), into);
}

function readAgent(path: string, agent: unknown): Agent {
  const given = check.object(path, agent);
  const id = check.text(`${path}.id`, given["id"]);
  const acpAdapter = check.text(`${path}.acpAdapter`, given["acpAdapter"] ?? id);
  const agentPackage = check.text(`${path}.agentPackage`, given["agentPackage"] ?? acpAdapter);
  const command = given["command"];
  return { id, acpAdapter, agentPackage, ...(command === undefined ? {} : { command: commandLine(`${path}.command`, command) }) };
}

function commandLine(path: string, command: unknown): string | string[] {
  if (typeof command === "string") return command;
  const parts = check.array(path, command).map((part, at) => check.text(`${path}[${at}]`, part));
  if (parts.length === 0) throw invalidConfig(path, "must be a program, or an array of it and its arguments", "an empty array");
  return parts;
}

function bundled(path: string, name: string, into: Software): void {
  if (COMMANDS.includes(name)) into.packages.push("common");
  else if (AGENTS.includes(name)) into.agents.push({ id: name, acpAdapter: `@agentos/${name}`, agentPackage: `@agentos/${name}` });
  else {
    const near = check.nearest(name, [...COMMANDS, ...AGENTS]);
    const hint = near === undefined ? "" : ` (did you mean ${near}?)`;
    throw invalidConfig(path, `unknown software${hint}`, describe(name));
  }
}
