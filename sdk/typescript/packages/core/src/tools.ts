/** Host tools: functions of the application that programs and agents in a VM can call (api.md section 6). */
import { hook } from "@agentos/native";
import { chainsOf } from "./chains.js";
import * as check from "./check.js";
import { invalidConfig } from "./errors.js";
import type { Hooks } from "./mounts.js";
import { isParsing, jsonSchema, parseInput } from "./schema.js";

/** What a tool is told besides its input. */
export interface ToolContext {
  /** Key of the VM; absent in an embedded one. */
  key?: string[];
  actorId?: string;
  /** The session whose agent calls. */
  sessionId?: string;
  /** The process that calls. */
  pid: number;
  /** Aborted when the tool's time is over or its caller was killed. */
  signal: AbortSignal;
}

/** A zod schema, or anything else that checks values in the same way. */
export interface ParsingSchema<T = unknown> {
  parse(value: unknown): T;
  readonly _output?: T;
}

/** A JSON Schema of an object. */
export type JsonSchema = { type: "object"; properties?: Record<string, unknown>; required?: string[]; [key: string]: unknown };

/** An example of a call. */
export interface ToolExample<Input> {
  description: string;
  input: Input;
}

/** A tool. */
export interface HostTool<Input = any, Output = unknown> {
  description: string;
  inputSchema: ParsingSchema<Input> | JsonSchema;
  execute(input: Input, context: ToolContext): Output | Promise<Output>;
  examples?: ToolExample<Input>[];
  /** Milliseconds; 30000 unless given. */
  timeout?: number;
}

/** Tools under one name. */
export interface ToolKit {
  name: string;
  description: string;
  tools: Record<string, HostTool>;
}

const NAME = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const DESCRIPTION_MAX = 200;

/** A tool, checked. */
export function hostTool<Input, Output>(tool: {
  description: string;
  inputSchema: ParsingSchema<Input>;
  execute(input: Input, context: ToolContext): Output | Promise<Output>;
  examples?: ToolExample<Input>[];
  timeout?: number;
}): HostTool<Input, Output>;
export function hostTool<Input = any, Output = unknown>(tool: {
  description: string;
  inputSchema: JsonSchema;
  execute(input: Input, context: ToolContext): Output | Promise<Output>;
  examples?: ToolExample<Input>[];
  timeout?: number;
}): HostTool<Input, Output>;
export function hostTool(tool: HostTool): HostTool {
  checkTool("hostTool", tool);
  return tool;
}

/** A kit of tools, checked. */
export function toolKit(kit: ToolKit): ToolKit {
  checkKit("toolKit", kit);
  return kit;
}

/** A kit in the form that the addon takes, its functions behind numbers. */
export function nativeKit(path: string, kit: unknown, hooks: Hooks): Record<string, unknown> {
  const { name, description, tools } = checkKit(path, kit);
  const native = Object.entries(tools).map(([tool, given]) => [
    tool,
    nativeTool(`${path}.tools.${tool}`, `tool ${name}:${tool}`, given, hooks),
  ]);
  return { name, description, tools: Object.fromEntries(native) };
}

function nativeTool(path: string, title: string, tool: HostTool, hooks: Hooks): Record<string, unknown> {
  const inputSchema = jsonSchema(`${path}.inputSchema`, tool.inputSchema);
  const number = hook(title, (args, signal) => chainsOf(hooks).run(() => invoke(tool, args, signal)));
  hooks.push(number);
  const { description, examples, timeout } = tool;
  return {
    description,
    inputSchema,
    function: number,
    ...(examples === undefined ? {} : { examples }),
    ...(timeout === undefined ? {} : { timeout }),
  };
}

/** One call: input and result are JSON text. */
async function invoke(tool: HostTool, args: unknown[], signal: AbortSignal): Promise<string> {
  const [text, told] = args as [string, Omit<ToolContext, "signal">];
  const input: unknown = JSON.parse(text);
  const parsed = isParsing(tool.inputSchema) ? await parseInput(tool.inputSchema, input) : input;
  const result = await tool.execute(parsed, { ...told, signal });
  // Nothing at all is null.
  return JSON.stringify(result) ?? "null";
}

/** Checks a kit; `path` is where it stands. */
export function checkKit(path: string, kit: unknown): ToolKit {
  const given = check.object(path, kit);
  check.known(path, given, ["name", "description", "tools"]);
  const name = checkName(`${path}.name`, given["name"]);
  checkDescription(`${path}.description`, `Toolkit "${name}"`, given["description"]);
  const tools = check.object(`${path}.tools`, given["tools"]);
  for (const [tool, value] of Object.entries(tools)) {
    checkName(`${path}.tools`, tool);
    checkTool(`${path}.tools.${tool}`, value, `Tool "${name}/${tool}"`);
  }
  return kit as ToolKit;
}

function checkTool(path: string, tool: unknown, title = "Tool"): void {
  const given = check.object(path, tool);
  check.known(path, given, ["description", "inputSchema", "execute", "examples", "timeout"]);
  checkDescription(`${path}.description`, title, given["description"]);
  check.callable(`${path}.execute`, given["execute"]);
  checkSchema(`${path}.inputSchema`, given["inputSchema"]);
  if (given["timeout"] !== undefined) check.integer(`${path}.timeout`, given["timeout"], 1, 2 ** 31 - 1);
  if (given["examples"] === undefined) return;
  check.array(`${path}.examples`, given["examples"]).forEach((example, at) => {
    const one = check.object(`${path}.examples[${at}]`, example);
    check.known(`${path}.examples[${at}]`, one, ["description", "input"]);
    check.text(`${path}.examples[${at}].description`, one["description"]);
  });
}

function checkSchema(path: string, schema: unknown): void {
  const given = check.object(path, schema);
  if (typeof given["parse"] === "function" || given["type"] === "object") return;
  throw invalidConfig(path, "must be a zod schema or a JSON Schema of an object");
}

function checkName(path: string, name: unknown): string {
  const given = check.text(path, name);
  if (NAME.test(given)) return given;
  throw invalidConfig(path, "must be lower-case letters and digits, with single hyphens between", JSON.stringify(given));
}

function checkDescription(path: string, title: string, description: unknown): void {
  const given = check.text(path, description);
  if (given.length <= DESCRIPTION_MAX) return;
  throw invalidConfig(path, `${title} description is ${given.length} characters, max is ${DESCRIPTION_MAX}`);
}
