/** The encoding in JSON, with compat tags. */
import { malformed } from "./bytes.js";
import { revive, toTags } from "./compat.js";
import type { Codec, ToServer } from "./messages.js";
import { errorShape, members, queueResponse, toClient } from "./shapes.js";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const jsonCodec: Codec = {
  encoding: "json",
  contentType: "application/json",
  action: (args) => JSON.stringify({ args: list(args) }),
  queue: ({ body, name, wait, timeout }) => JSON.stringify({ body: toTags(body, "body"), name, wait, timeout }),
  toServer: (message) => JSON.stringify({ body: { tag: message.tag, val: val(message) } }),
  output: (body) => members(parse(body), "an answer").output,
  queueResponse: (body) => queueResponse(parse(body)),
  error: (body) => errorShape(parse(body)),
  toClient: (frame) => toClient(parse(frame)),
};

/** The list of arguments is never taken for a tag. */
function list(args: unknown[]): unknown[] {
  return Array.from(args, (arg, index) => toTags(arg, `args[${index}]`, 1));
}

function val(message: ToServer): object {
  if (message.tag === "SubscriptionRequest") return { eventName: message.eventName, subscribe: message.subscribe };
  return { id: ["$BigInt", String(message.id)], name: message.name, args: list(message.args) };
}

function parse(input: Uint8Array | string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(typeof input === "string" ? input : decoder.decode(input));
  } catch {
    throw malformed("something that is no JSON");
  }
  return reviveMessage(value);
}

/** Revives what is in a message. Arguments of an event are a list, never a tag. */
function reviveMessage(value: unknown): unknown {
  const args = eventArguments(value);
  if (!args) return revive(value);
  const list = args.val.args as unknown[];
  args.val.args = list.map((arg) => revive(arg));
  return value;
}

function eventArguments(value: unknown): { val: { args: unknown } } | undefined {
  const body = (value as { body?: { tag?: unknown; val?: { args?: unknown } } } | null)?.body;
  if (body?.tag !== "Event" || !Array.isArray(body.val?.args)) return undefined;
  return body as { val: { args: unknown } };
}
