/** Where a server is, and what every request to it carries. */
import { clientError, invalidArgument } from "./errors.js";
import { escape } from "./params.js";
import type { Encoding } from "./wire/messages.js";

/** Where `agentos serve` listens. */
export const DEFAULT_ENDPOINT = "http://127.0.0.1:6420";

/** Bytes of a message in either direction that a server allows by default, with room for what is around it. */
const MESSAGE_MAX = (32 << 20) + 4096;
/** How long a call may take by default: what a server gives an action, and half a minute for the way. */
const CALL_MS = 930_000;
/** How long a call waits for a connection by default. */
const WAIT_MS = 30_000;

/** What a client is made with. */
export interface ClientOptions {
  /** `http(s)://[namespace:token@]host[:port][/base]`; `http://127.0.0.1:6420` unless given. */
  endpoint?: string;
  /** The server's token. */
  token?: string;
  /** `default` unless given. */
  namespace?: string;
  /** Headers of all HTTP requests; connections have none, because browsers cannot. */
  headers?: Record<string, string>;
  /** How messages are written; `bare` unless given. */
  encoding?: Encoding;
  /** Milliseconds that a call may take, 0 for any time; 930,000 unless given. Prompts have their own time on the server. */
  callTimeoutMs?: number;
  /** Milliseconds that a call of a connection waits while there is none; 30,000 unless given. */
  connectionWaitMs?: number;
  /** Bytes of a message from the server; 32 MiB and a bit unless given. */
  maxMessageSize?: number;
  /** Hears what nobody else hears: errors of listeners and of connections that `handle.on` opened. */
  onError?: (error: unknown) => void;
  /** In place of the platform's `fetch`. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/** The options, checked. */
export interface Endpoint {
  /** Scheme, host and base path, without credentials and without a slash at the end. */
  readonly url: string;
  readonly namespace: string;
  readonly token: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly encoding: Encoding;
  readonly callTimeoutMs: number;
  readonly connectionWaitMs: number;
  readonly maxMessageSize: number;
  readonly onError: (error: unknown) => void;
}

/** Checks options. */
export function readEndpoint(options: ClientOptions): Endpoint {
  const { encoding = "bare", headers = {} } = options;
  if (!["bare", "json", "cbor"].includes(encoding))
    throw invalidArgument("encoding", '"bare", "json" or "cbor"', encoding);
  const place = readUrl(options.endpoint ?? DEFAULT_ENDPOINT);
  return {
    url: place.url,
    namespace: options.namespace ?? place.namespace ?? "default",
    token: options.token ?? place.token,
    headers: { ...headers },
    encoding,
    callTimeoutMs: milliseconds("callTimeoutMs", options.callTimeoutMs, CALL_MS),
    connectionWaitMs: milliseconds("connectionWaitMs", options.connectionWaitMs, WAIT_MS),
    maxMessageSize: milliseconds("maxMessageSize", options.maxMessageSize, MESSAGE_MAX),
    onError: options.onError ?? ((error) => console.error("agentos:", error)),
  };
}

/** The path below which an actor is served. */
export function actorUrl(endpoint: Endpoint, id: string): string {
  return `${endpoint.url}/gateway/${escape(id)}`;
}

/** The address of an actor's socket. The token is in the path, the one place that browsers can put it. */
export function socketUrl(endpoint: Endpoint, id: string, path: string): string {
  const token = endpoint.token === undefined ? "" : `@${escape(endpoint.token)}`;
  return `${endpoint.url.replace(/^http/, "ws")}/gateway/${escape(id)}${token}${path}`;
}

function milliseconds(path: string, value: number | undefined, otherwise: number): number {
  if (value === undefined) return otherwise;
  if (typeof value !== "number" || !(value >= 0)) throw invalidArgument(path, "a number that is not negative", value);
  return value;
}

function readUrl(text: string): { url: string; namespace: string | undefined; token: string | undefined } {
  const refuse = (expected: string): Error =>
    clientError("invalid_argument", `endpoint: expected ${expected}`, { path: "endpoint", expected });
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw refuse(`a URL like ${DEFAULT_ENDPOINT}`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") throw refuse("a URL that begins with http:// or https://");
  if (url.search !== "" || url.hash !== "") throw refuse("a URL without query and fragment");
  return {
    url: `${url.origin}${url.pathname.replace(/\/+$/, "")}`,
    namespace: url.username === "" ? undefined : decodeURIComponent(url.username),
    token: url.password === "" ? undefined : decodeURIComponent(url.password),
  };
}
