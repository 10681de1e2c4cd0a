/** The messages of the protocol, whatever their encoding. */
import type { ErrorShape } from "../errors.js";

/** How messages are written. */
export type Encoding = "bare" | "json" | "cbor";

/** What the client says on a connection. Ids are its own choice and name the answers. */
export type ToServer =
  | { tag: "ActionRequest"; id: number; name: string; args: unknown[] }
  | { tag: "SubscriptionRequest"; eventName: string; subscribe: boolean };

/** What the server says on a connection. */
export type ToClient =
  | { tag: "Init"; actorId: string; connectionId: string }
  | { tag: "Error"; error: ErrorShape; actionId: number | undefined }
  | { tag: "ActionResponse"; id: number; output: unknown }
  | { tag: "Event"; name: string; args: unknown[] };

/** A message for a queue. */
export interface QueueRequest {
  name: string;
  body: unknown;
  wait: boolean;
  /** Milliseconds. */
  timeout: number | undefined;
}

/** What became of it. */
export interface QueueResponse {
  status: "completed" | "timedOut";
  response?: unknown;
}

/** What a body or frame is made of. */
export type Payload = Uint8Array<ArrayBuffer> | string;

/** One encoding. Reading throws `client/protocol` for whatever is not of the protocol, and nothing else. */
export interface Codec {
  readonly encoding: Encoding;
  readonly contentType: string;
  /** The body of an action. */
  action(args: unknown[]): Payload;
  /** The body of a message for a queue. */
  queue(request: QueueRequest): Payload;
  /** A frame. */
  toServer(message: ToServer): Payload;
  /** The result in the answer to an action. */
  output(body: Uint8Array): unknown;
  /** The answer to a message for a queue. */
  queueResponse(body: Uint8Array): QueueResponse;
  /** The error in an answer. */
  error(body: Uint8Array): ErrorShape;
  /** A frame. */
  toClient(frame: Uint8Array | string): ToClient;
}
