/**
 * What this package asks of the place where it runs. Tests bring their own clock and sockets; everything else is the same
 * in Node.js and in browsers.
 */

/** Time and chance. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** From 0 up to, but not including, 1. */
  random(): number;
  /** Runs `then` once in `ms` milliseconds; the function that is returned prevents it. */
  after(ms: number, then: () => void): () => void;
}

/** The part of a WebSocket that is used. */
export interface SocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number; reason: string }) => void): void;
  addEventListener(type: "open" | "error", listener: (event: unknown) => void): void;
  /** Asks for a sign of life; `heard` is called for every one. Only where the platform can. */
  watch?(heard: () => void): { ask(): void };
  /** Ends it without a farewell. Only where the platform can. */
  terminate?(): void;
}

/** The place. */
export interface Platform {
  readonly clock: Clock;
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** A socket that is opening. Frames beyond `maxBytes` end it, where the platform can. */
  openSocket(url: string, protocols: string[], maxBytes: number): Promise<SocketLike>;
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  after(ms, then) {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};
