/** All connections of a client, to close them together. */
import type { ConnectionCore } from "./connection/connection.js";

/** Connections that have not ended. */
export class Connections {
  readonly #open = new Set<ConnectionCore>();

  /** Remembers a connection until it ends. */
  add(core: ConnectionCore): void {
    this.#open.add(core);
    core.onLife("close", ({ reconnecting }: { reconnecting: boolean }) => {
      if (!reconnecting) this.#open.delete(core);
    });
  }

  /** Closes all of them. */
  async dispose(): Promise<void> {
    await Promise.all([...this.#open].map((core) => core.dispose()));
  }
}
