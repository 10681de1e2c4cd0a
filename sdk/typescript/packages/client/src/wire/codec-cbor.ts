/** The encoding in CBOR objects, with native values. */
import { malformed } from "./bytes.js";
import { decode, encode } from "./cbor.js";
import type { Codec, ToServer } from "./messages.js";
import { errorShape, members, queueResponse, toClient } from "./shapes.js";

export const cborCodec: Codec = {
  encoding: "cbor",
  contentType: "application/octet-stream",
  action: (args) => encode({ args }, "message"),
  queue: ({ body, name, wait, timeout }) => encode({ body, name, wait, timeout }, "message"),
  toServer: (message) => encode({ body: { tag: message.tag, val: val(message) } }, "message"),
  output: (body) => members(decode(body), "an answer").output,
  queueResponse: (body) => queueResponse(decode(body)),
  error: (body) => errorShape(decode(body)),
  toClient(frame) {
    if (typeof frame === "string") throw malformed("text where bytes are expected");
    return toClient(decode(frame));
  },
};

/** Ids are written with eight bytes, which is what the schema asks for. */
function val(message: ToServer): object {
  if (message.tag === "SubscriptionRequest") return { eventName: message.eventName, subscribe: message.subscribe };
  return { id: BigInt(message.id), name: message.name, args: message.args };
}
