/** The object that users have of a connection. */
import type { Listener } from "./listeners.js";
import type { Caller } from "../calls.js";
import { withoutSignal } from "../calls.js";
import { withActions } from "../proxy.js";
import type { ActionRequest, Connection, ConnectionMembers } from "../types/client.js";
import type { AnyActions, AnyEvents } from "../types/definition.js";
import { ConnectionCore } from "./connection.js";

/** Some runtimes do not have it yet. */
const ASYNC_DISPOSE: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose");

/** Opens a connection. `core` is its inside. */
export function openConnection(caller: Caller): {
  core: ConnectionCore;
  connection: Connection<AnyActions, AnyEvents>;
} {
  const core = new ConnectionCore(caller);
  const action = ({ name, args, signal, timeoutMs }: ActionRequest): Promise<never> =>
    core.action(name, [...(args ?? [])], { signal, timeoutMs }) as Promise<never>;
  const members: ConnectionMembers<AnyActions, AnyEvents> = {
    action,
    on: (event: string, listener: Listener) => core.on(event, listener),
    once: (event: string, listener: Listener) => once((each) => core.on(event, each), listener),
    onOpen: (listener) => core.onLife("open", listener),
    onError: (listener) => core.onLife("error", listener),
    onClose: (listener) => core.onLife("close", listener),
    onStatusChange: (listener) => core.onLife("status", listener),
    get connStatus() {
      return core.status;
    },
    get isConnected() {
      return core.status === "connected";
    },
    ready: core.ready,
    get actorId() {
      return core.info?.actorId;
    },
    get connectionId() {
      return core.info?.connectionId;
    },
    dispose: () => core.dispose(),
    [ASYNC_DISPOSE]: () => core.dispose(),
  };
  const invoke = (name: string, all: unknown[]): Promise<unknown> => {
    const { args, signal } = withoutSignal(all);
    return core.action(name, args, { signal });
  };
  return { core, connection: withActions(members, invoke) as Connection<AnyActions, AnyEvents> };
}

/** Subscribes a listener that is told once. */
export function once(subscribe: (listener: Listener) => () => void, listener: Listener): () => void {
  const remove = subscribe((...args: unknown[]) => {
    remove();
    listener(...args);
  });
  return remove;
}
