/** The actor's own HTTP and WebSocket handlers. */
import type { Caller } from "./calls.js";
import { actorUrl, socketUrl } from "./endpoint.js";
import { invalidArgument } from "./errors.js";
import { escape } from "./params.js";
import type { SocketLike } from "./platform/platform.js";

/** Never fires. */
const NEVER = new AbortController().signal;

/** A request to the actor's HTTP handler, passed on as it is. */
export async function rawFetch(
  caller: Caller,
  input: string | URL | Request,
  init: RequestInit = {},
): Promise<Response> {
  const request = input instanceof Request ? input : undefined;
  const signal = init.signal ?? request?.signal ?? NEVER;
  const id = await caller.target.resolve(signal);
  const params = await caller.params(signal);
  const headers = new Headers(init.headers ?? request?.headers);
  for (const [name, value] of Object.entries(caller.http.headers())) headers.set(name, value);
  if (params !== undefined) headers.set("x-rivet-conn-params", params);
  const url = `${actorUrl(caller.http.endpoint, id)}/request${pathOf(request ? request.url : (input as string | URL))}`;
  const body = init.body ?? request?.body;
  const method = init.method ?? request?.method ?? "GET";
  // Streams can only be sent while nothing is received.
  const stream = body instanceof ReadableStream ? { duplex: "half" } : {};
  const sent = body === null || body === undefined ? {} : { body, ...stream };
  return caller.http.platform.fetch(url, { redirect: "manual", ...init, method, headers, signal, ...sent });
}

/** A socket to the actor's WebSocket handler. */
export async function rawSocket(caller: Caller, path = "", protocols: string | string[] = []): Promise<SocketLike> {
  const id = await caller.target.resolve();
  const params = await caller.params(NEVER);
  const offered = ["rivet", "rivet_encoding.bare"];
  if (params !== undefined) offered.push(`rivet_conn_params.${escape(params)}`);
  const { endpoint, platform } = caller.http;
  const below = path === "" ? "" : pathOf(path);
  return platform.openSocket(
    socketUrl(endpoint, id, `/websocket${below}`),
    offered.concat(protocols),
    endpoint.maxMessageSize,
  );
}

/** Path and query, with a slash in front. */
function pathOf(input: string | URL): string {
  if (typeof input !== "string" && !(input instanceof URL))
    throw invalidArgument("input", "a path, a URL or a request", input);
  const url = new URL(input, "http://actor");
  return `${url.pathname}${url.search}`;
}
