/** The hook that gives a component its actor. */
import { useCallback, useMemo, useSyncExternalStore } from "react";
import type {
  Accessor,
  ActorError,
  AnyEvents,
  Client,
  ConnectionOf,
  ConnectionStatus,
  CreateOptions,
  DefinitionsOf,
  EventArgs,
  EventName,
  EventsOf,
  HandleOf,
  InputOf,
  Key,
  ParamsOf,
} from "@agentos/client";
import { useEvent, useLatest } from "./hooks.js";
import { IDLE, Store } from "./store.js";
import type { AnyHandle } from "./store.js";

/** Names of a registry's definitions. */
export type ActorName<Registry> = keyof DefinitionsOf<Registry> & string;

/** Which actor a component uses. */
export interface ActorOptions<Registry, Name extends ActorName<Registry>> {
  /** The definition. */
  name: Name;
  /** The actor among those of the definition. */
  key: Key;
  /** What the server's hooks decide by. Other parameters are another connection. */
  params?: ParamsOf<DefinitionsOf<Registry>[Name]>;
  /** Called for the parameters at every connect, in place of `params`. */
  getParams?: () => ParamsOf<DefinitionsOf<Registry>[Name]> | Promise<ParamsOf<DefinitionsOf<Registry>[Name]>>;
  /** What a new actor is given. */
  input?: InputOf<DefinitionsOf<Registry>[Name]>;
  /** The same under the name that RivetKit has for it. */
  createWithInput?: InputOf<DefinitionsOf<Registry>[Name]>;
  /** Uses an actor that exists, and makes none. */
  noCreate?: boolean;
  /** Connects; true unless given. */
  enabled?: boolean;
}

/** An actor and its connection, as a component sees them. */
export interface ActorState<Definition> {
  /** For calls over HTTP; there from the first rendering on, also on a server. */
  handle: HandleOf<Definition>;
  /** The connection, shared with all components that name the same actor. Null before the component is there. */
  connection: ConnectionOf<Definition> | null;
  /** `idle` without a connection. */
  connStatus: ConnectionStatus | "idle";
  /** Whether the connection is open now. */
  isConnected: boolean;
  /** What went wrong last, until the connection is open again. */
  error: ActorError | null;
  /** Listens to an event while the component is there; a hook. */
  useEvent: <Name extends EventName<EventsOf<Definition>>>(
    event: Name,
    listener: (...args: EventArgs<EventsOf<Definition>, Name>) => void,
  ) => void;
}

/** The hooks of one client. */
export interface AgentOsReact<Registry> {
  /** Gives a component an actor and a connection to it. */
  useActor<Name extends ActorName<Registry>>(
    options: ActorOptions<Registry, Name>,
  ): ActorState<DefinitionsOf<Registry>[Name]>;
}

/** Hooks over a client that exists. Made once, outside of components. */
export function createAgentOsReactWithClient<Registry>(client: Client<Registry>): AgentOsReact<Registry> {
  const store = new Store();

  function useActor<Name extends ActorName<Registry>>(options: ActorOptions<Registry, Name>) {
    type Definition = DefinitionsOf<Registry>[Name];
    const { enabled = true } = options;
    const name = nameOf(options);
    const latest = useLatest(options);
    // The options of this rendering: others with the same name differ in functions only, which are asked of the latest.
    const makeHandle = useCallback((): AnyHandle => handleOf(client, options, latest), [name]);
    const handle = useMemo(makeHandle, [makeHandle]);

    const subscribe = useCallback(
      (changed: () => void) => (enabled ? store.use(name, makeHandle, changed) : () => {}),
      [enabled, name, makeHandle],
    );
    const snapshot = useSyncExternalStore(
      subscribe,
      () => (enabled ? store.snapshot(name) : IDLE),
      () => IDLE,
    );
    const { connection, connStatus, error } = snapshot;
    return useMemo(
      () => ({
        handle,
        connection,
        connStatus,
        error,
        isConnected: connStatus === "connected",
        useEvent: (event: string, listener: () => void) => useEvent<AnyEvents, string>(connection, event, listener),
      }),
      [handle, connection, connStatus, error],
    ) as unknown as ActorState<Definition>;
  }

  return { useActor };
}

/** What names a connection: everything that makes it another one. */
function nameOf<R, N extends ActorName<R>>({ name, key, params, noCreate, getParams }: ActorOptions<R, N>): string {
  return JSON.stringify([name, key, params ?? null, noCreate ?? false, getParams !== undefined]);
}

/** A handle. What is asked later is asked of the latest options. */
function handleOf<R, N extends ActorName<R>>(
  client: Client<R>,
  given: ActorOptions<R, N>,
  latest: { readonly current: ActorOptions<R, N> },
): AnyHandle {
  const { name, key, params, getParams, input, createWithInput, noCreate } = given;
  const accessor = client[name] as Accessor<DefinitionsOf<R>[N]>;
  const options = { params, input: input ?? createWithInput } as CreateOptions<
    ParamsOf<DefinitionsOf<R>[N]>,
    InputOf<DefinitionsOf<R>[N]>
  >;
  if (getParams) options.getParams = () => (latest.current.getParams ?? getParams)();
  return (noCreate ? accessor.get(key, options) : accessor.getOrCreate(key, options)) as AnyHandle;
}
