/**
 * Errors. One shape crosses every boundary, `{ group, code, message, metadata }`; here it is a class, with subclasses for
 * the errors that applications throw or catch by class. Whatever makes errors out of plain objects calls
 * {@link ActorError.from}, so that the choice of class exists once.
 */

/** The plain form of an error, as it travels. */
export interface ErrorShape {
  /** Where it comes from: `user`, `agentos`, `auth`, `actor`, `guard`, `internal`; `client` for what this package says. */
  group: string;
  /** What it is, for programs. */
  code: string;
  /** What it is, for people. */
  message: string;
  /** What belongs to it, depending on the code. */
  metadata?: unknown;
}

/** Marks the errors of one class and those derived from it, also of another copy of this package. */
const mark = (name: string): symbol => Symbol.for(`agentos.${name}`);

/** An error with a group and a code. */
export class ActorError extends Error {
  /** Where it comes from. */
  readonly group: string;
  /** What it is, for programs. */
  readonly code: string;
  /** What belongs to it, depending on the code; undefined when there is nothing. */
  readonly metadata: unknown;

  /** An error of this group and code. */
  constructor(group: string, code: string, message: string, metadata?: unknown, options?: ErrorOptions) {
    super(message, options);
    this.group = group;
    this.code = code;
    this.metadata = metadata;
  }

  /** The error of the right class for what arrived. */
  static from(shape: ErrorShape): ActorError {
    const { group, code, message, metadata } = shape;
    if (group === "user") return new UserError(message, { code, metadata });
    if (group === "agentos" && code === "invalid_schedule") return new InvalidScheduleError(message, metadata);
    if (group === "agentos" && code === "past_schedule") return new PastScheduleError(message, metadata);
    return new ActorError(group, code, message, metadata);
  }

  /** Whether it is the error `group/code`. */
  is(group: string, code?: string): boolean {
    return this.group === group && (code === undefined || this.code === code);
  }

  /** The plain form. */
  toJSON(): ErrorShape {
    const { group, code, message, metadata } = this;
    return metadata === undefined ? { group, code, message } : { group, code, message, metadata };
  }
}
ActorError.prototype.name = "ActorError";

/** What {@link UserError} may carry. */
export interface UserErrorOptions {
  /** What it is, for programs; `user_error` unless given. */
  code?: string;
  /** What the client gets to see along with the message. */
  metadata?: unknown;
  /** What led to it; stays on this side. */
  cause?: unknown;
}

/** An error that application code throws for its clients: message, code and metadata reach them as they are. */
export class UserError extends ActorError {
  /** An error of the group `user`. */
  constructor(message: string, options: UserErrorOptions = {}) {
    const { code = "user_error", metadata, cause } = options;
    super("user", code, message, metadata, cause === undefined ? undefined : { cause });
  }
}
UserError.prototype.name = "UserError";

/** A schedule is neither a cron expression nor an instant: code `invalid_schedule`. */
export class InvalidScheduleError extends ActorError {
  /** With the text that says what is wrong with it. */
  constructor(message: string, metadata?: unknown) {
    super("agentos", "invalid_schedule", message, metadata);
  }
}
InvalidScheduleError.prototype.name = "InvalidScheduleError";

/** A schedule names an instant that has passed: code `past_schedule`. */
export class PastScheduleError extends ActorError {
  /** With the text that says which. */
  constructor(message: string, metadata?: unknown) {
    super("agentos", "past_schedule", message, metadata);
  }
}
PastScheduleError.prototype.name = "PastScheduleError";

/**
 * A class of another copy of this package is the same class for `instanceof`: packages of agentOS carry a copy each, and an
 * application catches by the class that it imported, from whichever. Classes derived from these are their own.
 */
for (const known of [ActorError, UserError, InvalidScheduleError, PastScheduleError]) {
  const kind = mark(known.prototype.name);
  const ordinary = Function.prototype[Symbol.hasInstance];
  Object.defineProperty(known.prototype, kind, { value: true });
  Object.defineProperty(known, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      if (this !== known) return ordinary.call(this as typeof known, value);
      return typeof value === "object" && value !== null && kind in value;
    },
  });
}

/** Whether something is an {@link ActorError}, of this copy of the package or of another. */
export function isActorError(value: unknown): value is ActorError {
  return value instanceof Error && value instanceof ActorError;
}

/** Codes of the group `client`: what this package says by itself. */
export type ClientErrorCode =
  /** The server cannot be reached, or went away before it answered. */
  | "unreachable"
  /** The server said something that the protocol does not have. */
  | "protocol"
  /** The connection was lost while the call was under way: it may have run or not. */
  | "connection_lost"
  /** There was no connection for as long as a call waits for one; it was not sent. */
  | "not_connected"
  /** There was no answer within the time that the call was given: it may have run or not. */
  | "timed_out"
  /** Too much waits on one connection. */
  | "overloaded"
  /** The connection was disposed. */
  | "disposed"
  /** An argument of this package's own functions is not accepted. */
  | "invalid_argument"
  /** A message is larger than the bound. */
  | "message_too_large";

/** An error of this package's own. */
export function clientError(code: ClientErrorCode, message: string, metadata?: unknown, cause?: unknown): ActorError {
  return new ActorError("client", code, message, metadata, cause === undefined ? undefined : { cause });
}

/** The error for an argument that is not accepted. The value is named by its kind, never shown: it may be a secret. */
export function invalidArgument(path: string, expected: string, value: unknown): ActorError {
  const received = value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
  return clientError("invalid_argument", `${path}: expected ${expected}, received ${received}`, {
    path,
    expected,
    received,
  });
}
