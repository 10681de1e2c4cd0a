/**
 * JSON Schemas of schemas that are objects of a library.
 *
 * zod 4 makes them itself. The schemas of zod 3 are read by what they say of themselves; what has no counterpart in JSON Schema
 * admits everything there, because the schema itself checks every input once more ({@link parseInput}).
 */
import { ActorError } from "@agentos/client/errors";
import { invalidConfig } from "./errors.js";
import type { JsonSchema, ParsingSchema } from "./tools.js";

type Json = Record<string, unknown>;

/** Steps into a schema, so that one that contains itself ends. */
const DEPTH_MAX = 32;

/** The JSON Schema of a tool's input. */
export function jsonSchema(path: string, schema: ParsingSchema | JsonSchema): JsonSchema {
  if (!isParsing(schema)) return schema;
  const made = convert(path, schema);
  delete made["$schema"];
  if (made["type"] !== "object") throw invalidConfig(path, "must be a schema of an object");
  return made as JsonSchema;
}

/** Whether a schema checks values itself. */
export function isParsing(schema: object): schema is ParsingSchema {
  return typeof (schema as { parse?: unknown }).parse === "function";
}

/** The input as the schema gives it back, with its defaults and transformations. */
export async function parseInput(schema: ParsingSchema, input: unknown): Promise<unknown> {
  const { parseAsync } = schema as { parseAsync?: (value: unknown) => Promise<unknown> };
  try {
    return parseAsync === undefined ? schema.parse(input) : await parseAsync.call(schema, input);
  } catch (error) {
    const issue = (error as { issues?: { path?: PropertyKey[]; message?: string }[] } | null)?.issues?.[0];
    if (issue === undefined) throw error;
    const message = issue.message ?? "other input";
    const expected = message.startsWith(EXPECTED) ? message.slice(EXPECTED.length) : `input that fits (${message})`;
    throw new ActorError("agentos", "tool_input", message, { path: jsonPath(issue.path ?? []), expected });
  }
}

const EXPECTED = "Invalid input: expected ";

function jsonPath(path: PropertyKey[]): string {
  const step = (part: PropertyKey): string => {
    if (typeof part === "number") return `[${part}]`;
    return /^[\w-]+$/.test(String(part)) ? `.${String(part)}` : `[${JSON.stringify(String(part))}]`;
  };
  return `$${path.map(step).join("")}`;
}

function convert(path: string, schema: ParsingSchema): Json {
  const own = (schema as { toJSONSchema?: (options: object) => Json }).toJSONSchema;
  const options = { io: "input", unrepresentable: "any" };
  try {
    if (typeof own === "function") return { ...own.call(schema, options) };
    if ("_zod" in schema) return { ...zod4().toJSONSchema(schema, options) };
  } catch (error) {
    throw invalidConfig(path, `has no JSON Schema: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (definition(schema) !== undefined) return fromZod3(schema, 0);
  throw invalidConfig(path, "must be a zod schema or a JSON Schema of an object");
}

/** Of versions whose schemas do not have the method. */
function zod4(): { toJSONSchema(schema: unknown, options: object): Json } {
  // Asked for here, because a static import of the module costs every process that has a VM memory.
  const modules = (process as Partial<typeof process>).getBuiltinModule?.("node:module");
  if (modules === undefined) throw new Error("schemas of this version of zod need Node.js 20.16 or later, or a later zod");
  return modules.createRequire(import.meta.url)("zod/v4/core") as ReturnType<typeof zod4>;
}

interface Definition extends Json {
  typeName: string;
  description?: string;
}

function definition(schema: unknown): Definition | undefined {
  const found = (schema as { _def?: Definition } | null)?._def;
  return typeof found?.typeName === "string" ? found : undefined;
}

function fromZod3(schema: unknown, depth: number): Json {
  const given = definition(schema);
  if (given === undefined || depth > DEPTH_MAX) return {};
  const made = shape(given, (inner) => fromZod3(inner, depth + 1));
  return given.description === undefined ? made : { ...made, description: given.description };
}

function shape(given: Definition, inner: (schema: unknown) => Json): Json {
  switch (given.typeName) {
    case "ZodObject":
      return object(given, inner);
    case "ZodString":
      return { type: "string", ...bounds(given, { min: "minLength", max: "maxLength" }) };
    case "ZodNumber": {
      const checks = (given["checks"] ?? []) as { kind: string }[];
      const type = checks.some((one) => one.kind === "int") ? "integer" : "number";
      return { type, ...bounds(given, { min: "minimum", max: "maximum" }) };
    }
    case "ZodBoolean":
      return { type: "boolean" };
    case "ZodNull":
      return { type: "null" };
    case "ZodLiteral":
      return { const: given["value"] };
    case "ZodEnum":
      return { type: "string", enum: given["values"] };
    case "ZodNativeEnum": {
      const members = Object.entries(given["values"] as Json);
      // An enum of numbers has its names as members, too.
      return { enum: members.filter(([name]) => Number.isNaN(Number(name))).map(([, value]) => value) };
    }
    case "ZodArray":
      return { type: "array", items: inner(given["type"]), ...lengths(given) };
    case "ZodTuple":
      return { type: "array", prefixItems: (given["items"] as unknown[]).map(inner) };
    case "ZodRecord":
      return { type: "object", additionalProperties: inner(given["valueType"]) };
    case "ZodUnion":
      return { anyOf: (given["options"] as unknown[]).map(inner) };
    case "ZodDiscriminatedUnion":
      return { anyOf: [...(given["options"] as Iterable<unknown>)].map(inner) };
    case "ZodIntersection":
      return { allOf: [inner(given["left"]), inner(given["right"])] };
    case "ZodNullable":
      return { anyOf: [inner(given["innerType"]), { type: "null" }] };
    case "ZodDefault":
      return { ...inner(given["innerType"]), default: (given["defaultValue"] as () => unknown)() };
    case "ZodOptional":
    case "ZodReadonly":
    case "ZodCatch":
      return inner(given["innerType"]);
    case "ZodEffects":
      // What comes before a check or a transformation is what is put in; before a preprocessing it may be anything.
      return (given["effect"] as { type?: string }).type === "preprocess" ? {} : inner(given["schema"]);
    case "ZodBranded":
      return inner(given["type"]);
    case "ZodPipeline":
      return inner(given["in"]);
    case "ZodLazy":
      return inner((given["getter"] as () => unknown)());
    default:
      return {};
  }
}

function object(given: Definition, inner: (schema: unknown) => Json): Json {
  const members = Object.entries((given["shape"] as () => Json)());
  const properties = Object.fromEntries(members.map(([name, member]) => [name, inner(member)]));
  const required = members.filter(([, member]) => !isOptional(member)).map(([name]) => name);
  const strict = given["unknownKeys"] === "strict" ? { additionalProperties: false } : {};
  return { type: "object", properties, ...(required.length > 0 ? { required } : {}), ...strict };
}

function isOptional(schema: unknown): boolean {
  const { isOptional: asked } = schema as { isOptional?: () => boolean };
  return asked?.call(schema) ?? false;
}

function bounds(given: Definition, names: { min: string; max: string }): Json {
  const made: Json = {};
  for (const one of (given["checks"] ?? []) as { kind: string; value?: number; inclusive?: boolean }[]) {
    if ((one.kind === "min" || one.kind === "max") && one.inclusive !== false) made[names[one.kind]] = one.value;
  }
  return made;
}

function lengths(given: Definition): Json {
  const { minLength, maxLength } = given as { minLength?: { value: number } | null; maxLength?: { value: number } | null };
  const made: Json = {};
  if (minLength != null) made["minItems"] = minLength.value;
  if (maxLength != null) made["maxItems"] = maxLength.value;
  return made;
}
