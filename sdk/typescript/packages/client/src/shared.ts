/** The connection that the listeners of one handle share: opened for the first, closed behind the last. */
import { openConnection } from "./connection/facade.js";
import type { ConnectionCore } from "./connection/connection.js";
import type { Listener } from "./connection/listeners.js";
import type { Connections } from "./connections.js";
import type { Caller } from "./calls.js";

/** A handle's shared connection. */
export class SharedConnection {
  readonly #caller: Caller;
  readonly #connections: Connections;
  #core: ConnectionCore | undefined;
  #listeners = 0;

  constructor(caller: Caller, connections: Connections) {
    this.#caller = caller;
    this.#connections = connections;
  }

  /** Adds a listener. One of a connection that has ended stays silent; whoever listens next opens another. */
  on(event: string, listener: Listener): () => void {
    const core = this.#open();
    const remove = core.on(event, listener);
    this.#listeners++;
    let gone = false;
    return () => {
      if (gone) return;
      gone = true;
      remove();
      if (this.#core === core && --this.#listeners === 0) void this.dispose();
    };
  }

  /** Closes it, if it is open. */
  dispose(): Promise<void> {
    const core = this.#core;
    this.#core = undefined;
    this.#listeners = 0;
    return core?.dispose() ?? Promise.resolve();
  }

  #open(): ConnectionCore {
    if (this.#core) return this.#core;
    const { core } = openConnection(this.#caller);
    this.#connections.add(core);
    this.#core = core;
    core.onLife("close", ({ error, reconnecting }: { error: unknown; reconnecting: boolean }) => {
      // Whoever listens on a handle has no other way to hear that nothing will come any more.
      if (reconnecting || this.#core !== core) return;
      this.#core = undefined;
      this.#listeners = 0;
      this.#caller.http.endpoint.onError(error);
    });
    return core;
  }
}
