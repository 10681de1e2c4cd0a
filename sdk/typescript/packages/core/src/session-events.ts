/**
 * What sessions of one VM tell: their events, requests for permission, error output and ends of agents. Like {@link Events} it
 * does not know the VM's handle.
 *
 * Events of a session are kept by the VM, with numbers from 0 on. The addon only says that a session has new ones, and says so
 * again once they were read; whoever wants them reads page after page from a number. So a listener or follower that is slow
 * costs no memory, and misses nothing.
 */
import type { AgentCrashedEvent, PermissionRequest, SequencedEvent } from "@agentos/client";
import { call, hold, release } from "@agentos/native";
import { guarded } from "./output.js";

/** A listener of a session's events. */
export type SessionListener = (event: SequencedEvent["notification"], sequenceNumber: number) => void;

/** Bytes of events that a first listener gets of what was before it. */
const KEPT_BYTES = 64 * 1024;

/** What listens to one session. */
interface Feed {
  readonly listeners: Set<SessionListener>;
  /** The number of the event that listeners get next. */
  next: number;
  /** Whoever waits for news. */
  readonly waiting: Set<() => void>;
  /** Whether more is read as soon as other work had its turn. */
  scheduled: boolean;
}

/** A listener of requests, and the requests that it got before they were announced. */
interface Asked {
  listener: (request: PermissionRequest) => void;
  seen: Set<string>;
}

/** The sessions of one VM. */
export class SessionEvents {
  readonly #vm: number;
  readonly #feeds = new Map<string, Feed>();
  readonly #asked = new Map<string, Set<Asked>>();
  readonly #stderr = new Set<(event: { sessionId: string; data: Uint8Array }) => void>();
  readonly #exits = new Set<(event: AgentCrashedEvent) => void>();
  #closed = false;

  constructor(vm: number) {
    this.#vm = vm;
  }

  /** What the addon announces of sessions. */
  take(name: string, payload: unknown): void {
    switch (name) {
      case "sessionStored":
        this.#news((payload as { sessionId: string }).sessionId);
        break;
      case "permissionRequest": {
        const { sessionId, request } = payload as { sessionId: string; request: PermissionRequest };
        for (const asked of this.#asked.get(sessionId) ?? []) {
          if (!asked.seen.delete(request.permissionId)) ask(asked, request);
        }
        break;
      }
      case "agentStderr":
        for (const listener of [...this.#stderr]) guarded("a listener of agents' error output", () => listener(payload as never));
        break;
      case "agentCrashed":
        for (const listener of [...this.#exits]) guarded("a listener of agents' ends", () => listener(payload as AgentCrashedEvent));
    }
  }

  /** A page of events from a number on; undefined once there will be none any more. */
  #read(sessionId: string, since: number): SequencedEvent[] | undefined {
    if (this.#closed) return undefined;
    try {
      return call<SequencedEvent[]>((addon) => addon.sessionEvents(this.#vm, sessionId, since));
    } catch {
      // Destroyed, and its events with it.
      return undefined;
    }
  }

  #tail(sessionId: string, bytes: number): number {
    return call<number>((addon) => addon.sessionTail(this.#vm, sessionId, bytes));
  }

  #feed(sessionId: string): Feed {
    let feed = this.#feeds.get(sessionId);
    if (feed === undefined) {
      feed = { listeners: new Set(), next: -1, waiting: new Set(), scheduled: false };
      this.#feeds.set(sessionId, feed);
    }
    return feed;
  }

  #news(sessionId: string): void {
    const feed = this.#feeds.get(sessionId);
    if (feed === undefined) return;
    wake(feed);
    this.#pump(sessionId, feed);
  }

  /** Gives listeners one page, and the next ones after other work of this thread. */
  #pump(sessionId: string, feed: Feed): void {
    if (feed.scheduled || !this.#page(sessionId, feed)) return;
    feed.scheduled = true;
    setImmediate(() => {
      feed.scheduled = false;
      this.#pump(sessionId, feed);
    });
  }

  /** Whether there was a page for somebody. */
  #page(sessionId: string, feed: Feed): boolean {
    if (feed.listeners.size === 0) return false;
    const page = this.#read(sessionId, feed.next) ?? [];
    for (const { sequenceNumber, notification } of page) {
      feed.next = sequenceNumber + 1;
      for (const listener of [...feed.listeners]) guarded("a listener of session events", () => listener(notification, sequenceNumber));
    }
    return page.length > 0;
  }

  /** Gives listeners everything that is there now. */
  async caughtUp(sessionId: string): Promise<void> {
    const feed = this.#feeds.get(sessionId);
    while (feed !== undefined && this.#page(sessionId, feed)) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Resolves when a session has news, or will never have any. */
  news(sessionId: string): Promise<void> {
    // Whoever waits has read, or the addon would say nothing.
    this.#read(sessionId, Number.MAX_SAFE_INTEGER);
    return new Promise((resolve) => {
      if (this.#closed) resolve();
      else this.#feed(sessionId).waiting.add(resolve);
    });
  }

  /** Listens to a session. The first listener also gets the last of what was before. */
  listen(sessionId: string, listener: SessionListener): () => void {
    const feed = this.#feed(sessionId);
    if (feed.listeners.size === 0) feed.next = this.#tail(sessionId, feed.next < 0 ? KEPT_BYTES : 0);
    // Each call is a subscription of its own, the same function twice as well.
    const own: SessionListener = (event, sequenceNumber) => listener(event, sequenceNumber);
    feed.listeners.add(own);
    queueMicrotask(() => this.#pump(sessionId, feed));
    return () => void feed.listeners.delete(own);
  }

  /** The events of a session from a number on, those that are there and then each new one. */
  async *follow(sessionId: string, from: number, signal: AbortSignal | undefined): AsyncGenerator<SequencedEvent, void, undefined> {
    for (let next = from; ; ) {
      signal?.throwIfAborted();
      const page = this.#read(sessionId, next);
      if (page === undefined) return;
      if (page.length === 0) await this.#wait(sessionId, signal);
      for (const event of page) {
        signal?.throwIfAborted();
        next = event.sequenceNumber + 1;
        yield event;
      }
    }
  }

  /** Waits for news, or for the signal; the process stays alive meanwhile. */
  async #wait(sessionId: string, signal: AbortSignal | undefined): Promise<void> {
    const { waiting } = this.#feed(sessionId);
    hold();
    await new Promise<void>((resolve) => {
      const done = (): void => {
        waiting.delete(done);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      waiting.add(done);
      signal?.addEventListener("abort", done, { once: true });
    });
    release();
  }

  /** Listens to requests of a session for permission; those that wait already come first. */
  onRequest(sessionId: string, pending: readonly PermissionRequest[], listener: (request: PermissionRequest) => void): () => void {
    const asked: Asked = { listener, seen: new Set(pending.map((request) => request.permissionId)) };
    const all = this.#asked.get(sessionId) ?? new Set();
    this.#asked.set(sessionId, all.add(asked));
    queueMicrotask(() => {
      for (const request of pending) if (all.has(asked)) ask(asked, request);
    });
    return () => void all.delete(asked);
  }

  onStderr(listener: (event: { sessionId: string; data: Uint8Array }) => void): () => void {
    return add(this.#stderr, listener);
  }

  onExit(listener: (event: AgentCrashedEvent) => void): () => void {
    return add(this.#exits, listener);
  }

  /** A session was destroyed. */
  end(sessionId: string): void {
    const feed = this.#feeds.get(sessionId);
    this.#feeds.delete(sessionId);
    this.#asked.delete(sessionId);
    if (feed !== undefined) wake(feed);
  }

  /** The VM has ended. */
  close(): void {
    this.#closed = true;
    for (const feed of this.#feeds.values()) wake(feed);
    this.#feeds.clear();
  }
}

function add<T>(to: Set<(event: T) => void>, listener: (event: T) => void): () => void {
  const own = (event: T): void => listener(event);
  to.add(own);
  return () => void to.delete(own);
}

function ask(asked: Asked, request: PermissionRequest): void {
  guarded("a listener of permission requests", () => asked.listener(request));
}

function wake(feed: Feed): void {
  for (const waiting of [...feed.waiting]) waiting();
  feed.waiting.clear();
}
