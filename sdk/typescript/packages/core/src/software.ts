/** Software packages: what programs a VM has (api.md section 9). */
import * as check from "./check.js";
import { describe, invalidConfig, unsupported } from "./errors.js";

/** What a software package exports. */
export interface SoftwareDescriptor {
  /** Its name, such as `common` or `pi`. */
  readonly name: string;
  /** `commands` unless it is an agent. */
  readonly kind?: "commands" | "agent";
  /** A directory of the host with programs; not supported yet. */
  readonly commandDir?: string;
  readonly [key: string]: unknown;
}

/** A descriptor, the name of a bundled package, or any nesting of these. */
export type SoftwareInput = SoftwareDescriptor | string | readonly SoftwareInput[];

/** Names of command packages; all are parts of the bundled userland. */
const COMMANDS = [
  "common", "coreutils", "sed", "grep", "gawk", "findutils", "diffutils", "tar", "gzip", "jq", "ripgrep", "fd", "tree",
  "file", "yq", "sqlite3", "zip", "unzip", "curl", "wget", "git",
];

/** Names of agents, which sessions run. */
const AGENTS = ["pi", "pi-cli", "claude", "codex", "opencode"];

/** What a list of software comes down to. */
export interface Software {
  /** Packages for the addon. */
  packages: string[];
  /** Ids of agents. */
  agents: string[];
}

/** Reads `options.software`. */
export function readSoftware(path: string, input: unknown): Software {
  const software: Software = { packages: [], agents: [] };
  collect(path, input, software);
  return { packages: [...new Set(software.packages)], agents: [...new Set(software.agents)] };
}

function collect(path: string, input: unknown, into: Software): void {
  if (Array.isArray(input)) {
    input.forEach((item, at) => collect(`${path}[${at}]`, item, into));
    return;
  }
  if (typeof input === "string") return add(path, input, undefined, into);
  const given = check.object(path, input);
  if (typeof given["commandDir"] === "string") {
    throw unsupported(`${path}.commandDir: programs from a directory of the host cannot be added to a VM yet`);
  }
  const kind = given["kind"] === undefined ? undefined : check.word(`${path}.kind`, given["kind"], ["commands", "agent"]);
  add(path, check.text(`${path}.name`, given["name"]), kind, into);
}

function add(path: string, name: string, kind: "commands" | "agent" | undefined, into: Software): void {
  if (kind === "agent" || AGENTS.includes(name)) into.agents.push(name);
  else if (COMMANDS.includes(name)) into.packages.push("common");
  else {
    const near = check.nearest(name, [...COMMANDS, ...AGENTS]);
    const hint = near === undefined ? "" : ` (did you mean ${near}?)`;
    throw invalidConfig(path, `unknown software${hint}`, describe(name));
  }
}
