/** The binary encoding. */
import type { ErrorShape } from "../errors.js";
import * as bare from "./bare.js";
import { Reader, malformed } from "./bytes.js";
import type { Codec, QueueRequest, QueueResponse, ToClient, ToServer } from "./messages.js";
import { actionId, argumentList, errorShape, queueStatus } from "./shapes.js";

const TO_SERVER = { ActionRequest: 0, SubscriptionRequest: 1 } as const;
const TO_CLIENT = { init: 0, error: 1, response: 2, event: 3 } as const;

export const bareCodec: Codec = {
  encoding: "bare",
  contentType: "application/octet-stream",

  action(args) {
    const out = bare.begin();
    bare.writeValue(out, args);
    return out.finish();
  },

  queue({ body, name, wait, timeout }: QueueRequest) {
    const out = bare.begin();
    bare.writeValue(out, body, "body");
    out.u8(1);
    bare.writeText(out, name);
    out.u8(1);
    out.u8(wait ? 1 : 0);
    out.u8(timeout === undefined ? 0 : 1);
    if (timeout !== undefined) bare.writeU64(out, BigInt(timeout));
    return out.finish();
  },

  toServer(message: ToServer) {
    const out = bare.begin();
    out.u8(TO_SERVER[message.tag]);
    if (message.tag === "ActionRequest") {
      bare.writeUint(out, BigInt(message.id));
      bare.writeText(out, message.name);
      bare.writeValue(out, message.args);
    } else {
      bare.writeText(out, message.eventName);
      out.u8(message.subscribe ? 1 : 0);
    }
    return out.finish();
  },

  output: (body) => whole(body, (from, version) => bare.readValue(from, version)),

  queueResponse: (body) =>
    whole(body, (from, version): QueueResponse => {
      const status = queueStatus(bare.readText(from));
      const response = bare.readOptional(from, () => bare.readValue(from, version));
      return response === undefined ? { status } : { status, response };
    }),

  error: (body) =>
    whole(body, (from, version) => {
      const error = readError(from, version);
      if (version >= 4) bare.readOptional(from, readActor);
      return error;
    }),

  toClient(frame) {
    if (typeof frame === "string") throw malformed("text where bytes are expected");
    return whole(frame, readToClient);
  },
};

/** All of a message. */
function whole<T>(bytes: Uint8Array, read: (from: Reader, version: number) => T): T {
  const from = new Reader(bytes);
  const message = read(from, bare.readVersion(from));
  from.end();
  return message;
}

function readToClient(from: Reader, version: number): ToClient {
  const tag = from.u8();
  switch (tag) {
    case TO_CLIENT.init: {
      const message: ToClient = { tag: "Init", actorId: bare.readText(from), connectionId: bare.readText(from) };
      if (version === 1) bare.readText(from);
      return message;
    }
    case TO_CLIENT.error: {
      const error = readError(from, version);
      const id = bare.readOptional(from, bare.readUint);
      if (version >= 4) bare.readOptional(from, readActor);
      return { tag: "Error", error, actionId: id === undefined ? undefined : actionId(id) };
    }
    case TO_CLIENT.response:
      return { tag: "ActionResponse", id: actionId(bare.readUint(from)), output: bare.readValue(from, version) };
    case TO_CLIENT.event:
      return { tag: "Event", name: bare.readText(from), args: argumentList(bare.readValue(from, version)) };
    default:
      throw malformed("a message of an unknown kind");
  }
}

function readError(from: Reader, version: number): ErrorShape {
  const [group, code, message] = [bare.readText(from), bare.readText(from), bare.readText(from)];
  return errorShape({ group, code, message, metadata: bare.readOptional(from, () => bare.readValue(from, version)) });
}

/** Which actor an error comes from; nobody asks. */
function readActor(from: Reader): void {
  bare.readText(from);
  bare.readUint(from);
  bare.readOptional(from, bare.readText);
}
