/** The errors that this package makes itself. Everything else comes from the addon in the same form. */
import { ActorError } from "@agentos/client/errors";

/** A wrong option: its full path, what is accepted, what was given. */
export function invalidConfig(path: string, expected: string, received?: string): ActorError {
  const given = received === undefined ? "" : `, got ${received}`;
  return new ActorError("agentos", "invalid_config", `${path}: ${expected}${given}`, { path, expected, received });
}

/** A wrong argument of a method. */
export function invalidArgument(path: string, expected: string, value: unknown): ActorError {
  const received = describe(value);
  const message = `invalid argument ${path}: expected ${expected}, got ${received}`;
  return new ActorError("agentos", "invalid_argument", message, { path, expected, received });
}

/** Something that a part of agentOS would do that is not there. */
export function unsupported(message: string): ActorError {
  return new ActorError("agentos", "unsupported", message);
}

/** A call of a VM that was disposed. */
export function disposed(): ActorError {
  return new ActorError("agentos", "vm_disposed", "the VM is disposed");
}

/** The kind of a value, and the value where it is short. */
export function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  switch (typeof value) {
    case "undefined":
      return "undefined";
    case "string":
      return `string ${JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}...` : value)}`;
    case "number":
    case "boolean":
    case "bigint":
      return `${typeof value} ${value}`;
    case "object":
      return Object.getPrototypeOf(value) === Object.prototype ? "an object" : `a ${value.constructor?.name ?? "object"}`;
    default:
      return `a ${typeof value}`;
  }
}

/** A system error, as the addon knows it by its name. */
export function systemError(errno: string, syscall: string, path?: string): ActorError {
  const where = path === undefined ? "" : ` '${path}'`;
  return new ActorError("agentos", errno, `${errno}: ${syscall}${where}`, { errno, syscall, path });
}
