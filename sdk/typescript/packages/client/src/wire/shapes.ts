/** Checks on what a server sent, for all encodings. */
import type { ErrorShape } from "../errors.js";
import { malformed } from "./bytes.js";
import type { QueueResponse, ToClient } from "./messages.js";

/** Members of a received object. */
export function members(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed(`${what} that is no object`);
  return value as Record<string, unknown>;
}

function text(value: unknown, what: string): string {
  if (typeof value !== "string") throw malformed(`${what} that is no text`);
  return value;
}

/** The id of an action; this client counts from 0, so that any other is not its own. */
export function actionId(value: unknown): number {
  if (typeof value === "bigint" && value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw malformed("an id that is no number");
}

/** Arguments of an event: an array, null for none, anything else for one. */
export function argumentList(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return value === null || value === undefined ? [] : [value];
}

export function errorShape(value: unknown): ErrorShape {
  const { group, code, message, metadata } = members(value, "an error");
  const shape: ErrorShape = {
    group: text(group, "a group"),
    code: text(code, "a code"),
    message: text(message, "a message"),
  };
  if (metadata !== undefined && metadata !== null) shape.metadata = metadata;
  return shape;
}

export function queueStatus(value: unknown): QueueResponse["status"] {
  if (value === "completed" || value === "timedOut") return value;
  throw malformed("a status that the protocol does not have");
}

export function queueResponse(value: unknown): QueueResponse {
  const { status, response } = members(value, "an answer");
  return response === undefined ? { status: queueStatus(status) } : { status: queueStatus(status), response };
}

/** A frame in the form that JSON and CBOR share: `{ body: { tag, val } }`. */
export function toClient(value: unknown): ToClient {
  const body = members(members(value, "a message").body, "a message");
  const val = members(body.val, "a message");
  switch (body.tag) {
    case "Init":
      return { tag: "Init", actorId: text(val.actorId, "an id"), connectionId: text(val.connectionId, "an id") };
    case "Error": {
      const id = val.actionId;
      return {
        tag: "Error",
        error: errorShape(val),
        actionId: id === null || id === undefined ? undefined : actionId(id),
      };
    }
    case "ActionResponse":
      return { tag: "ActionResponse", id: actionId(val.id), output: val.output };
    case "Event":
      return { tag: "Event", name: text(val.name, "an event"), args: argumentList(val.args) };
    default:
      throw malformed("a message of an unknown kind");
  }
}
