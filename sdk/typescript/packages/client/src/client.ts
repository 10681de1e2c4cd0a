/** Clients: definitions by name, and from there to handles. */
import { Connections } from "./connections.js";
import { readEndpoint } from "./endpoint.js";
import type { ClientOptions } from "./endpoint.js";
import { invalidArgument } from "./errors.js";
import { makeHandle } from "./handle.js";
import { Http } from "./http.js";
import { writeKey } from "./key.js";
import type { Key } from "./key.js";
import type { Platform } from "./platform/platform.js";
import { create } from "./target.js";
import type { Query } from "./target.js";
import type { Accessor, Client, CreateOptions, GetOptions } from "./types/client.js";
import type { AnyDefinitions } from "./types/definition.js";

/** Characters of a definition's name. */
const NAME_MAX = 64;

/** A client on a platform. */
export function makeClient<Registry>(
  options: string | ClientOptions | undefined,
  platform: Platform,
): Client<Registry> {
  const given = typeof options === "string" ? { endpoint: options } : (options ?? {});
  if (typeof given !== "object" || given === null) throw invalidArgument("endpoint", "a URL or options", given);
  const http = new Http(readEndpoint(given), given.fetch ? { ...platform, fetch: given.fetch } : platform);
  const connections = new Connections();
  const accessors = new Map<string, Accessor<AnyDefinitions[string]>>();
  const members = { dispose: () => connections.dispose() };
  return new Proxy(members, {
    get(target, property) {
      if (typeof property === "symbol" || property in target) return Reflect.get(target, property, target) as unknown;
      if (property === "then") return undefined;
      let accessor = accessors.get(property);
      if (!accessor) {
        accessor = makeAccessor(http, connections, property);
        accessors.set(property, accessor);
      }
      return accessor;
    },
  }) as unknown as Client<Registry>;
}

function makeAccessor(http: Http, connections: Connections, name: string): Accessor<AnyDefinitions[string]> {
  if (name.length > NAME_MAX) throw invalidArgument("name", `at most ${NAME_MAX} characters`, name);
  const handle = (query: Query, options: GetOptions = {}) => makeHandle(http, connections, query, options);
  const input = (options: CreateOptions = {}): unknown => options.input ?? options.createWithInput;
  return {
    getOrCreate: (key?: Key, options?: CreateOptions) =>
      handle({ kind: "getOrCreate", name, key: writeKey(key), input: input(options) }, options),
    get: (key?: Key, options?: GetOptions) => handle({ kind: "get", name, key: writeKey(key) }, options),
    getForId(id: string, options?: GetOptions) {
      if (typeof id !== "string" || id === "") throw invalidArgument("id", "an actor's id", id);
      return handle({ kind: "id", name, id }, options);
    },
    async create(key?: Key, options?: CreateOptions) {
      const id = await create(http, name, writeKey(key), input(options));
      return handle({ kind: "id", name, id }, options);
    },
  };
}
