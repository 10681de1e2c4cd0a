/**
 * Connections of a page. Components that name the same actor share one, which is opened for the first of them and closed
 * behind the last. It is closed a moment later: React takes components away and puts them back within one turn (in strict
 * mode always), and the connection must survive that.
 *
 * Nothing here is touched while rendering, so that a rendering that is thrown away, or one on a server, opens nothing.
 */
import type {
  ActorError,
  AnyActions,
  AnyEvents,
  ConnectionMembers,
  ConnectionStatus,
  HandleMembers,
} from "@agentos/client";

// Which actions and events a connection has is known to the hook that hands it out, not to the store that keeps it.
/** A connection of any definition. */
export type AnyConnection = ConnectionMembers<AnyActions, AnyEvents>;
/** A handle of any definition. */
export type AnyHandle = HandleMembers<AnyActions, AnyEvents>;

/** What components see of a connection. A new object whenever something changes. */
export interface Snapshot {
  connection: AnyConnection | null;
  /** `idle` before there is a connection. */
  connStatus: ConnectionStatus | "idle";
  /** What went wrong last, until it is open again. */
  error: ActorError | null;
}

/** The snapshot of a connection that does not exist. */
export const IDLE: Snapshot = Object.freeze({ connection: null, connStatus: "idle", error: null });

interface Entry {
  users: Set<() => void>;
  snapshot: Snapshot;
  connection: AnyConnection;
}

/** Connections by what names them. */
export class Store {
  readonly #entries = new Map<string, Entry>();

  /** What is known of a connection now. */
  snapshot(name: string): Snapshot {
    return this.#entries.get(name)?.snapshot ?? IDLE;
  }

  /** Uses a connection and hears of its changes, until the function that is returned is called. */
  use(name: string, makeHandle: () => AnyHandle, changed: () => void): () => void {
    const entry = this.#entries.get(name) ?? this.#open(name, makeHandle());
    // Each use is its own, also when two have the same function.
    const user = (): void => changed();
    entry.users.add(user);
    return () => {
      if (!entry.users.delete(user)) return;
      queueMicrotask(() => this.#release(name, entry));
    };
  }

  #open(name: string, handle: AnyHandle): Entry {
    const connection = handle.connect();
    const entry: Entry = {
      users: new Set(),
      connection,
      snapshot: { connection, connStatus: connection.connStatus, error: null },
    };
    const change = (part: Partial<Snapshot>): void => {
      entry.snapshot = { ...entry.snapshot, ...part };
      for (const user of [...entry.users]) user();
    };
    connection.onStatusChange((connStatus) =>
      change(connStatus === "connected" ? { connStatus, error: null } : { connStatus }),
    );
    connection.onError((error) => change({ error }));
    connection.onClose(({ error, reconnecting }) => {
      if (!reconnecting) change({ error });
    });
    this.#entries.set(name, entry);
    return entry;
  }

  #release(name: string, entry: Entry): void {
    if (entry.users.size > 0 || this.#entries.get(name) !== entry) return;
    this.#entries.delete(name);
    void entry.connection.dispose();
  }
}
