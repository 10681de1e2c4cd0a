/**
 * A connection to an actor, which outlives its sockets. One socket is open at a time; when it is lost, another follows after
 * a growing delay, for ever, unless the server says that there is no use in coming back. What it owes its user:
 *
 * - Subscriptions are made again before anything else is sent, and `onOpen` tells which time was missed.
 * - A call that was sent and not answered fails, because it may have run. A call that was not sent waits for a connection,
 *   for a bounded time.
 * - Whatever happens, every call ends.
 */
import type { Caller, InvokeOptions } from "../calls.js";
import { deadline, pause } from "../deadline.js";
import { socketUrl } from "../endpoint.js";
import { ActorError, clientError, isActorError } from "../errors.js";
import { escape } from "../params.js";
import type { SocketLike } from "../platform/platform.js";
import { backoff, isFinal, isGone, repeating } from "../retry.js";
import { CODECS } from "../wire/codec.js";
import type { ToClient } from "../wire/messages.js";
import { Link, OPEN_MS } from "./link.js";
import { Listeners } from "./listeners.js";
import type { Listener } from "./listeners.js";
import { Pending } from "./pending.js";
import type { Call } from "./pending.js";
import type { CloseInfo, ConnectionStatus, OpenInfo } from "./status.js";

/** A connection that was open for this long was a good one: delays begin anew after it. */
const STABLE_MS = 5_000;
/** Bytes that may wait in the socket. */
const BUFFERED_MAX = 256 << 20;

/** The connection behind the object that users see. */
export class ConnectionCore {
  readonly #caller: Caller;
  readonly #events: Listeners;
  readonly #life: Listeners;
  readonly #pending = new Pending();
  readonly #ended = new AbortController();
  readonly ready: Promise<void>;
  #settleReady: { resolve(): void; reject(error: unknown): void } = { resolve() {}, reject() {} };
  #status: ConnectionStatus = "connecting";
  #link: Link | undefined;
  #info: OpenInfo | undefined;
  #losses = 0;
  #failures = 0;
  #openedAt = 0;
  #lostAt: number | undefined;
  #farewell: Promise<void> | undefined;

  constructor(caller: Caller) {
    this.#caller = caller;
    this.#events = new Listeners(caller.http.endpoint.onError);
    this.#life = new Listeners(caller.http.endpoint.onError);
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    this.ready.catch(() => {}); // Whoever does not wait for it hears of the failure elsewhere.
    void this.#open();
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  /** Ids of now, or of the last time that it was open. */
  get info(): OpenInfo | undefined {
    return this.#info;
  }

  /** Subscribes to an event. */
  on(event: string, listener: Listener): () => void {
    const first = !this.#events.has(event);
    const remove = this.#events.add(event, listener, () => this.#subscribe(event, false));
    if (first) this.#subscribe(event, true);
    return remove;
  }

  /** Listens to `open`, `error`, `close` or `status` of the connection itself. */
  onLife(what: "open" | "error" | "close" | "status", listener: Listener): () => void {
    return this.#life.add(what, listener);
  }

  /** Runs an action. */
  async action(name: string, args: unknown[], options: InvokeOptions): Promise<unknown> {
    const { clock } = this.#caller.http.platform;
    const limit = deadline(clock, name, this.#caller.timeout(name, options), options.signal);
    try {
      return await repeating(clock, limit.signal, () => this.#attempt(name, args, limit.signal));
    } finally {
      limit.end();
    }
  }

  /** Ends it. Resolves when the server knows, or after a short while. */
  dispose(): Promise<void> {
    if (this.#status !== "closed") {
      const link = this.#link;
      this.#link = undefined;
      this.#end(clientError("disposed", "the connection was disposed"));
      this.#farewell = link?.dispose();
    }
    return this.#farewell ?? Promise.resolve();
  }

  #attempt(name: string, args: unknown[], signal: AbortSignal): Promise<unknown> {
    return this.#pending.outcome(name, args, signal, (call) => {
      if (this.#ended.signal.aborted) return call.reject(this.#ended.signal.reason);
      if (this.#status === "connected") return this.#send(call);
      this.#pending.waiting.add(call);
      const wait = this.#caller.http.endpoint.connectionWaitMs;
      call.cancelWait = this.#caller.http.platform.clock.after(wait, () => {
        call.reject(
          clientError("not_connected", `${name} was not sent: no connection within ${wait} ms`, { action: name }),
        );
      });
    });
  }

  #send(call: Call): void {
    const link = this.#link;
    if (!link) return;
    if (link.buffered > BUFFERED_MAX) {
      return call.reject(
        clientError("overloaded", "too many bytes wait to be sent", { limit: "buffered", capacity: BUFFERED_MAX }),
      );
    }
    const id = this.#pending.sent(call);
    try {
      link.send({ tag: "ActionRequest", id, name: call.name, args: call.args });
    } catch (error) {
      this.#pending.unsent(id, error);
    }
  }

  #subscribe(event: string, subscribe: boolean): void {
    if (this.#status !== "connected") return;
    try {
      this.#link?.send({ tag: "SubscriptionRequest", eventName: event, subscribe });
    } catch (error) {
      this.#caller.http.endpoint.onError(error);
    }
  }

  /** Tries until a socket is there; its events go on from that. */
  async #open(): Promise<void> {
    const { signal } = this.#ended;
    const { clock } = this.#caller.http.platform;
    for (let gone = false; !signal.aborted;) {
      try {
        return await this.#connect();
      } catch (error) {
        if (signal.aborted) return;
        const reason = isActorError(error) ? error : clientError("unreachable", String(error), undefined, error);
        // The key may lead to another actor now; asked once, for an answer of now.
        if (isGone(reason) && !gone && this.#caller.target.forget()) {
          gone = true;
          continue;
        }
        this.#life.tell("error", reason);
        if (isFinal(reason)) return this.#end(reason);
        await pause(clock, backoff(this.#failures++, clock), signal).catch(() => {});
      }
    }
  }

  /** Opens one socket; fails if the way to it does. */
  async #connect(): Promise<void> {
    const { http, target } = this.#caller;
    const { endpoint, platform } = http;
    const limit = deadline(platform.clock, "the connection", OPEN_MS, this.#ended.signal);
    try {
      const id = await target.resolve(limit.signal);
      const params = await this.#caller.params(limit.signal);
      const protocols = ["rivet", `rivet_encoding.${endpoint.encoding}`];
      if (params !== undefined) protocols.push(`rivet_conn_params.${escape(params)}`);
      const socket = await platform.openSocket(socketUrl(endpoint, id, "/connect"), protocols, endpoint.maxMessageSize);
      if (this.#ended.signal.aborted) return abandon(socket);
      const link: Link = new Link({
        socket,
        codec: CODECS[endpoint.encoding],
        clock: platform.clock,
        maxMessageSize: endpoint.maxMessageSize,
        events: {
          init: (message) => this.#opened(message),
          message: (message) => this.#take(message),
          ended: (error, stated) => this.#lost(link, error, stated),
        },
      });
      this.#link = link;
    } finally {
      limit.end();
    }
  }

  #opened({ actorId, connectionId }: { actorId: string; connectionId: string }): void {
    const now = this.#caller.http.platform.clock.now();
    this.#openedAt = now;
    const info: OpenInfo = { actorId, connectionId, reconnected: this.#lostAt !== undefined, losses: this.#losses };
    if (this.#lostAt !== undefined) info.gap = { since: this.#lostAt, until: now };
    this.#info = info;
    this.#become("connected");
    for (const event of this.#events.names()) this.#subscribe(event, true);
    for (const call of [...this.#pending.waiting]) this.#send(call);
    this.#settleReady.resolve();
    this.#life.tell("open", info);
  }

  #take(message: ToClient): void {
    if (message.tag === "Event") return this.#events.tell(message.name, ...message.args);
    if (message.tag === "ActionResponse") return this.#pending.answer(message.id, message.output);
    if (message.tag === "Error" && message.actionId !== undefined) {
      return this.#pending.fail(message.actionId, ActorError.from(message.error));
    }
    // An error of the whole connection: the server closes it now and says the same once more.
    if (message.tag === "Error") this.#life.tell("error", ActorError.from(message.error));
  }

  #lost(link: Link, error: ActorError, stated: boolean): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    const wasOpen = this.#status === "connected";
    const { clock } = this.#caller.http.platform;
    if (wasOpen) {
      this.#losses++;
      this.#lostAt = link.lastHeard;
      if (clock.now() - this.#openedAt >= STABLE_MS) this.#failures = 0;
    } else {
      this.#life.tell("error", error);
    }
    this.#pending.lose(error);
    if (stated && isFinal(error) && !this.#mayRenew(wasOpen, error)) return this.#end(error);
    if (wasOpen) {
      this.#become("disconnected");
      this.#life.tell("close", { reason: reasonOf(error), error, reconnecting: true } satisfies CloseInfo);
    }
    void this.#comeBack();
  }

  async #comeBack(): Promise<void> {
    const { clock } = this.#caller.http.platform;
    await pause(clock, backoff(this.#failures++, clock), this.#ended.signal).catch(() => {});
    await this.#open();
  }

  /** Whether other parameters, or another actor behind the same key, may be admitted where these were not. */
  #mayRenew(wasOpen: boolean, error: ActorError): boolean {
    if (error.is("actor", "not_found")) return this.#caller.target.forget();
    return wasOpen && this.#caller.renewable && (error.group === "auth" || error.group === "user");
  }

  #end(error: ActorError): void {
    if (this.#status === "closed") return;
    this.#become("closed");
    this.#ended.abort(error);
    this.#pending.end(error);
    this.#settleReady.reject(error);
    this.#life.tell("close", { reason: reasonOf(error), error, reconnecting: false } satisfies CloseInfo);
  }

  #become(status: ConnectionStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    this.#life.tell("status", status);
  }
}

/** Ends a socket that nobody listens to. One that is closed before it was open says so as an error. */
function abandon(socket: SocketLike): void {
  socket.addEventListener("error", () => {});
  socket.close();
}

function reasonOf(error: ActorError): string {
  return `${error.group}.${error.code}`;
}
