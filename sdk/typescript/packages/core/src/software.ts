/** Software packages: what programs a VM has (api.md section 9). */
import * as check from "./check.js";
import { invalidConfig, unsupported } from "./errors.js";

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

/**
 * A descriptor, the name of a bundled package, software of this user's store (by the words that it was added with, such as
 * `npm:cowsay`, or by its name), or any nesting of these.
 */
export type SoftwareInput = SoftwareDescriptor | string | readonly SoftwareInput[];

/** Agents, which sessions run. */
const AGENTS = ["pi", "pi-cli", "claude", "codex", "opencode"];

/** An agent that the software brings. */
export interface Agent {
  id: string;
  acpAdapter: string;
  agentPackage: string;
  command?: string | string[];
}

/** Names and references, nested as they were given, so that the addon tells of the same places; an agent leaves an empty one. */
type Names = string | { name: string } | Names[];

/** What a list of software comes down to. */
export interface Software {
  /** For the addon, which looks them up. */
  packages: Names[];
  agents: Agent[];
}

/** What {@link AgentOs.addSoftware} did. */
export interface AddedSoftware {
  /** Its commands, sorted. */
  commands: string[];
  /** The agent in it, if there is one: `vm.createSession(agent)` runs it. */
  agent?: string;
  /** Paths that something else of the VM has, and keeps: the software is not to be found there. */
  kept: string[];
}

/** Packages nested at most. */
const DEPTH_MAX = 8;

/** Reads `options.software`. */
export function readSoftware(path: string, input: unknown): Software {
  const agents: Agent[] = [];
  return { packages: check.array(path, input).map((item, at) => names(`${path}[${at}]`, item, agents, 0)), agents };
}

/** Reads what is to be added to a VM that runs: the words for it. */
export function readAdded(path: string, input: unknown): string {
  const name = typeof input === "string" ? input : check.text(`${path}.name`, check.object(path, input)["name"]);
  if (name === "") throw invalidConfig(path, "must name software of the store");
  return name;
}

function names(path: string, input: unknown, agents: Agent[], depth: number): Names {
  if (Array.isArray(input)) {
    if (depth >= DEPTH_MAX) throw invalidConfig(path, `arrays are nested at most ${DEPTH_MAX} deep`);
    return input.map((item, at) => names(`${path}[${at}]`, item, agents, depth + 1));
  }
  if (typeof input === "string") return named(input, agents);
  const given = check.object(path, input);
  if (typeof given["commandDir"] === "string") {
    throw unsupported(`${path}.commandDir: programs from a directory of the host cannot be added to a VM yet`);
  }
  check.word(`${path}.type`, given["type"] ?? "commands", ["commands", "wasm-commands", "agent"]);
  if (given["agent"] !== undefined) agents.push(readAgent(`${path}.agent`, given["agent"]));
  else if (given["id"] !== undefined) agents.push(readAgent(path, given));
  else {
    const name = named(check.text(`${path}.name`, given["name"]), agents);
    return typeof name === "string" ? { name } : name;
  }
  return [];
}

/** Agents that the product knows are declared, whether the store has them or not; all else is looked up. */
function named(name: string, agents: Agent[]): Names {
  if (!AGENTS.includes(name)) return name;
  agents.push({ id: name, acpAdapter: `@agentos/${name}`, agentPackage: `@agentos/${name}` });
  return [];
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
