/** Which actor a handle means, and how its id is found. */
import { actorUrl } from "./endpoint.js";
import { ActorError, clientError, isActorError } from "./errors.js";
import { deadline, orAbort } from "./deadline.js";
import type { Http } from "./http.js";
import { toBase64 } from "./wire/base64.js";
import { encode } from "./wire/cbor.js";

/** How long the server may take to find an actor. */
const CONTROL_MS = 30_000;
/** Bytes of an input. */
const INPUT_MAX = 4 << 20;

/** How a handle names its actor. */
export type Query =
  | { kind: "getOrCreate"; name: string; key: string; input?: unknown }
  | { kind: "get"; name: string; key: string }
  | { kind: "id"; name: string; id: string };

/** The actor that a query leads to. Asks once and remembers; what it remembers can be forgotten. */
export class Target {
  readonly #http: Http;
  readonly #query: Query;
  #found: Promise<string> | undefined;

  constructor(http: Http, query: Query) {
    this.#http = http;
    this.#query = query;
    if (query.kind === "id") this.#found = Promise.resolve(query.id);
  }

  /** The actor's id. */
  resolve(signal?: AbortSignal): Promise<string> {
    this.#found ??= this.#ask();
    return signal ? orAbort(this.#found, signal) : this.#found;
  }

  /** Forgets the id, because its actor is gone or may be another; an id that was given stays. Says whether it did. */
  forget(): boolean {
    if (this.#query.kind === "id") return false;
    this.#found = undefined;
    return true;
  }

  /** The URL below which the actor is served. */
  async url(signal?: AbortSignal): Promise<string> {
    return actorUrl(this.#http.endpoint, await this.resolve(signal));
  }

  #ask(): Promise<string> {
    const query = this.#query;
    const asking = query.kind === "id" ? Promise.resolve(query.id) : find(this.#http, query);
    asking.catch(() => {
      if (this.#found === asking) this.#found = undefined;
    });
    return asking;
  }
}

async function find(http: Http, query: Exclude<Query, { kind: "id" }>): Promise<string> {
  const limit = deadline(http.platform.clock, "the question for the actor", CONTROL_MS);
  try {
    const namespace = `namespace=${encodeURIComponent(http.endpoint.namespace)}`;
    if (query.kind === "getOrCreate") {
      const request = creation(query.name, query.key, query.input);
      const answer = await twice(() => http.control("PUT", `/actors?${namespace}`, limit.signal, request));
      return actorId((answer as { actor?: unknown } | null)?.actor, query.name);
    }
    const asked = `${namespace}&name=${encodeURIComponent(query.name)}&key=${encodeURIComponent(query.key)}`;
    const answer = await twice(() => http.control("GET", `/actors?${asked}`, limit.signal));
    const actors = (answer as { actors?: unknown } | null)?.actors;
    if (!Array.isArray(actors)) throw clientError("protocol", "the server answers something that is no list of actors");
    if (actors.length === 0) throw notFound(query);
    return actorId(actors[0], query.name);
  } finally {
    limit.end();
  }
}

/** Asks again if the server went away: a connection that was kept from before may have ended with a former server. */
async function twice<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!isActorError(error) || !error.is("client", "unreachable")) throw error;
    return await ask();
  }
}

/** Creates an actor; its key must be free. */
export async function create(http: Http, name: string, key: string, input: unknown): Promise<string> {
  const limit = deadline(http.platform.clock, "the creation of the actor", CONTROL_MS);
  try {
    const namespace = `namespace=${encodeURIComponent(http.endpoint.namespace)}`;
    const answer = await http.control("POST", `/actors?${namespace}`, limit.signal, creation(name, key, input));
    return actorId((answer as { actor?: unknown } | null)?.actor, name);
  } finally {
    limit.end();
  }
}

function creation(name: string, key: string, input: unknown): object {
  const request = { name, key, runner_name_selector: "default", crash_policy: "sleep" };
  if (input === undefined) return request;
  const bytes = encode(input, "input");
  if (bytes.length > INPUT_MAX) {
    const expected = `at most ${INPUT_MAX} bytes`;
    const message = `input: expected ${expected}, received ${bytes.length}`;
    throw clientError("invalid_argument", message, { path: "input", expected, received: bytes.length });
  }
  return { ...request, input: toBase64(bytes) };
}

function actorId(actor: unknown, name: string): string {
  const { actor_id: id, name: named } = (actor ?? {}) as { actor_id?: unknown; name?: unknown };
  if (typeof id !== "string" || id === "" || named !== name) {
    throw clientError("protocol", "the server answers something that is not the actor that was asked for");
  }
  return id;
}

function notFound(query: { name: string; key: string }): Error {
  return new ActorError("actor", "not_found", "The actor does not exist or was destroyed.", {
    name: query.name,
    key: query.key,
  });
}
