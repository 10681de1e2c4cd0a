/** The object that users have of an actor. */
import type { Listener } from "./connection/listeners.js";
import { Caller, withoutSignal } from "./calls.js";
import type { ParamsSource } from "./calls.js";
import { once, openConnection } from "./connection/facade.js";
import type { Connections } from "./connections.js";
import type { Http } from "./http.js";
import { withActions } from "./proxy.js";
import { rawFetch, rawSocket } from "./raw.js";
import { SharedConnection } from "./shared.js";
import type { Query } from "./target.js";
import { Target } from "./target.js";
import type { ActionRequest, Handle, HandleMembers } from "./types/client.js";
import type { AnyActions, AnyEvents } from "./types/definition.js";

/** A handle. Asks the server nothing. */
export function makeHandle(
  http: Http,
  connections: Connections,
  query: Query,
  source: ParamsSource,
): Handle<AnyActions, AnyEvents> {
  const target = new Target(http, query);
  const caller = new Caller(http, target, source);
  const shared = new SharedConnection(caller, connections);
  const members: HandleMembers<AnyActions, AnyEvents> = {
    action: ({ name, args, signal, timeoutMs }: ActionRequest) =>
      caller.action(name, [...(args ?? [])], { signal, timeoutMs }) as Promise<never>,
    on: (event: string, listener: Listener) => shared.on(event, listener),
    once: (event: string, listener: Listener) => once((each) => shared.on(event, each), listener),
    connect() {
      const { core, connection } = openConnection(caller);
      connections.add(core);
      return connection;
    },
    resolve: (options) => target.resolve(options?.signal),
    reload(options) {
      target.forget();
      return target.resolve(options?.signal);
    },
    getGatewayUrl: () => target.url(),
    send: (queue, body, { wait = false, timeout, signal } = {}) =>
      caller.queue(queue, body, { wait, signal, ...(timeout !== undefined && { waitMs: timeout }) }),
    fetch: (input, init) => rawFetch(caller, input, init),
    webSocket: (path, protocols) => rawSocket(caller, path, protocols) as Promise<unknown> as Promise<WebSocket>,
    dispose: () => shared.dispose(),
  };
  const invoke = (name: string, all: unknown[]): Promise<unknown> => {
    const { args, signal } = withoutSignal(all);
    return caller.action(name, args, { signal });
  };
  return withActions(members, invoke) as Handle<AnyActions, AnyEvents>;
}
