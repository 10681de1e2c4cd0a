/**
 * One socket, from its opening to its end. It tells its owner three things: that the actor accepted it (`init`), each
 * message after that, and, exactly once, that it is over and why. What opens is bounded in time; where the platform can ask
 * for signs of life, a silent server is one that is lost.
 */
import { ActorError, clientError, isActorError } from "../errors.js";
import type { Clock, SocketLike } from "../platform/platform.js";
import type { Codec, ToClient, ToServer } from "../wire/messages.js";

/** The whole of an opening: the server's hooks have 15 s of it. */
export const OPEN_MS = 30_000;
/** Silence after which the server is asked for a sign of life, and after as much again, given up. */
const SILENCE_MS = 30_000;
/** How long a farewell may take. */
const FAREWELL_MS = 2_000;

/** What the owner hears. */
export interface LinkEvents {
  init(message: { actorId: string; connectionId: string }): void;
  message(message: ToClient): void;
  /** The end, with what was the matter; `stated` when the server said it. */
  ended(error: ActorError, stated: boolean): void;
}

/** What a link is made of. */
export interface LinkParts {
  socket: SocketLike;
  codec: Codec;
  clock: Clock;
  maxMessageSize: number;
  events: LinkEvents;
}

/** One socket. */
export class Link {
  /** When the server was last heard, in milliseconds since 1970. */
  lastHeard: number;
  readonly #parts: LinkParts;
  #state: "opening" | "open" | "ended" = "opening";
  #refusal: ActorError | undefined;
  #cancelTimer: (() => void) | undefined;
  #ask: (() => void) | undefined;
  #asked = false;
  #closed: (() => void) | undefined;

  constructor(parts: LinkParts) {
    this.#parts = parts;
    this.lastHeard = parts.clock.now();
    const { socket } = parts;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", (event) => this.#hear(event.data));
    socket.addEventListener("close", (event) => this.#close(event.reason));
    // An opening that fails is told by `error`, on some runtimes without a `close` behind it.
    socket.addEventListener("error", (event) => this.#fail(unreachable(event)));
    const watch = socket.watch?.(() => this.#alive());
    if (watch) this.#ask = () => watch.ask();
    this.#cancelTimer = parts.clock.after(OPEN_MS, () => {
      this.#abandon(clientError("unreachable", `no answer within ${OPEN_MS} ms`));
    });
  }

  /** Bytes that wait to be sent. */
  get buffered(): number {
    return this.#parts.socket.bufferedAmount;
  }

  /** Sends a message. What cannot be written throws and is not sent. */
  send(message: ToServer): void {
    this.#parts.socket.send(this.#parts.codec.toServer(message));
  }

  /** Says goodbye; resolves when the server has, or after a while. */
  dispose(): Promise<void> {
    if (this.#state === "ended") return Promise.resolve();
    this.#finish();
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.after(FAREWELL_MS, () => {
        this.#terminate();
        resolve();
      });
      this.#closed = () => {
        cancel();
        resolve();
      };
      this.#quietly(() => this.#parts.socket.close(1000, "Disposed"));
    });
  }

  #hear(data: unknown): void {
    if (this.#state === "ended") return;
    this.#alive();
    const frame = typeof data === "string" ? data : data instanceof ArrayBuffer ? new Uint8Array(data) : undefined;
    try {
      if (frame === undefined) throw clientError("protocol", "the server sent a frame of an unknown kind");
      if (frame.length > this.#parts.maxMessageSize)
        throw clientError("message_too_large", "the server sent a frame beyond maxMessageSize");
      this.#take(this.#parts.codec.toClient(frame));
    } catch (error) {
      this.#abandon(
        isActorError(error) ? error : clientError("protocol", "the server sent something unexpected", undefined, error),
      );
    }
  }

  #take(message: ToClient): void {
    if (this.#state === "open") return this.#parts.events.message(message);
    if (message.tag === "Init") {
      this.#state = "open";
      this.#watch();
      this.#parts.events.init(message);
    } else if (message.tag === "Error") {
      // A close follows; should it not, the time for opening ends.
      this.#refusal = ActorError.from(message.error);
    } else {
      throw clientError("protocol", "the server sent a message before Init");
    }
  }

  #alive(): void {
    this.lastHeard = this.#parts.clock.now();
    this.#asked = false;
  }

  /** Looks for signs of life, if the platform can. */
  #watch(wait: number = SILENCE_MS): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const ask = this.#ask;
    if (!ask) return;
    this.#cancelTimer = this.#parts.clock.after(wait, () => {
      const silent = this.#parts.clock.now() - this.lastHeard;
      if (silent < SILENCE_MS) return this.#watch(SILENCE_MS - silent);
      if (this.#asked) return this.#abandon(clientError("unreachable", "the server is silent"));
      this.#asked = true;
      this.#quietly(ask);
      this.#watch();
    });
  }

  #close(reason: string): void {
    this.#closed?.();
    const stated = this.#refusal ?? statedReason(reason);
    this.#end(stated ?? clientError("unreachable", "the connection ended without a reason"), stated !== undefined);
  }

  /** A refused token ends the upgrade itself. */
  #fail(error: ActorError): void {
    this.#end(error, error.group === "auth");
  }

  /** Ends a socket that is of no more use. */
  #abandon(error: ActorError): void {
    this.#end(error, false);
    this.#terminate();
  }

  #end(error: ActorError, stated: boolean): void {
    if (this.#state === "ended") return;
    this.#finish();
    this.#parts.events.ended(this.#refusal ?? error, stated || this.#refusal !== undefined);
  }

  #finish(): void {
    this.#state = "ended";
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #terminate(): void {
    const { socket } = this.#parts;
    this.#quietly(() => (socket.terminate ? socket.terminate() : socket.close()));
  }

  /** Some sockets throw when they are told to end before they have begun. */
  #quietly(what: () => void): void {
    try {
      what();
    } catch {
      // It has ended as it is.
    }
  }
}

/** The error that the reason of a close names: `group.code`, and perhaps `#` with an id for logs. */
function statedReason(reason: string): ActorError | undefined {
  const match = /^([a-z0-9_-]+)\.([A-Za-z0-9_-]+)(#.*)?$/.exec(reason);
  const [, group, code] = match ?? [];
  if (group === undefined || code === undefined) return undefined;
  return new ActorError(group, code, `the server closed the connection: ${group}.${code}`, { reason });
}

function unreachable(event: unknown): ActorError {
  const { message, error } = (event ?? {}) as { message?: unknown; error?: unknown };
  const text = typeof message === "string" && message !== "" ? message : "the connection cannot be opened, or broke";
  if (/\b401\b/.test(text)) return new ActorError("auth", "unauthorized", text);
  if (/\b403\b/.test(text)) return new ActorError("auth", "forbidden", text);
  return clientError("unreachable", text, undefined, error);
}
