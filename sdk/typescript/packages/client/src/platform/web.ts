/** Browsers, and whatever else has `fetch` and `WebSocket`. */
import { clientError } from "../errors.js";
import type { Platform, SocketLike } from "./platform.js";
import { systemClock } from "./platform.js";

/** The platform as the globals have it. */
export const platform: Platform = {
  clock: systemClock,
  fetch: (url, init) => globalThis.fetch(url, init),
  openSocket: (url, protocols) => Promise.resolve(openWebSocket(url, protocols)),
};

/** A socket of the platform's own. */
export function openWebSocket(url: string, protocols: string[]): SocketLike {
  if (typeof globalThis.WebSocket !== "function") {
    throw clientError("unreachable", "this runtime has no WebSocket; in Node.js 20, install the package ws");
  }
  return new globalThis.WebSocket(url, protocols) as SocketLike;
}
