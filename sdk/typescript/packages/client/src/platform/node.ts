/**
 * Node.js. Sockets are those of the package `ws`, which version 20 needs and which all versions are better off with: it
 * can ask the server for a sign of life, it bounds frames, and it reports an opening that failed.
 */
import type { WebSocket as NodeSocket } from "ws";
import type { Platform, SocketLike } from "./platform.js";
import { systemClock } from "./platform.js";
import { openWebSocket } from "./web.js";

/** How long an upgrade may take; the connection bounds the whole of its opening as well. */
const HANDSHAKE_MS = 30_000;

/** The platform with `ws`, or with the runtime's own sockets where `ws` cannot be loaded. */
export const platform: Platform = {
  clock: systemClock,
  fetch: (url, init) => globalThis.fetch(url, { ...init, ...patience() }),
  async openSocket(url, protocols, maxBytes) {
    const constructor = await loadSocket();
    if (!constructor) return openWebSocket(url, protocols);
    const socket = new constructor(url, protocols, {
      maxPayload: maxBytes,
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_MS,
    });
    return watched(socket);
  },
};

type Constructor = typeof NodeSocket;
let loading: Promise<Constructor | undefined> | undefined;

function loadSocket(): Promise<Constructor | undefined> {
  loading ??= import("ws").then(
    (module) => module.WebSocket,
    () => undefined,
  );
  return loading;
}

function watched(socket: NodeSocket): SocketLike {
  return Object.assign(socket as unknown as SocketLike, {
    watch(heard: () => void) {
      socket.on("pong", heard);
      socket.on("ping", heard);
      return { ask: () => socket.ping() };
    },
  });
}

interface Dispatcher {
  constructor: new (options: object) => Dispatcher;
}
let patient: object | undefined;

/**
 * Node's own `fetch` gives up when an answer takes more than five minutes; actions may take fifteen. Its dispatcher can be
 * told otherwise, but only a new one of the kind that is in use. Whoever has set another kind has said how to connect.
 */
function patience(): object {
  if (patient) return patient;
  void globalThis.Headers; // Reading it loads what sets the dispatcher.
  const globals = globalThis as unknown as Record<symbol, Dispatcher | undefined>;
  // Of version 8 of what Node has inside, the other is a mere wrapper.
  const version = Number.parseInt(process.versions["undici"] ?? "", 10) >= 8 ? 2 : 1;
  const current = globals[Symbol.for(`undici.globalDispatcher.${version}`)];
  if (current?.constructor.name !== "Agent") return {};
  patient = { dispatcher: new current.constructor({ headersTimeout: 0, bodyTimeout: 0 }) };
  return patient;
}
