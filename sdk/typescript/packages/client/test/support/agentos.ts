// A server under test: the program in AGENTOS_BIN. With AGENTOS_LOGS set, its log is shown.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const LISTENING = "agentos is listening on ";

/** One data directory, and the server that serves it at the moment. */
export class Server {
  readonly #data = mkdtempSync(join(tmpdir(), "agentos-client-"));
  readonly #config: string | undefined;
  #child: ChildProcess | undefined;
  url = "";

  constructor(config?: string) {
    if (config === undefined) return;
    this.#config = join(this.#data, "agentos.toml");
    writeFileSync(this.#config, config);
  }

  /** Starts it, where it was if it was already started once. */
  async start(): Promise<this> {
    const program = process.env.AGENTOS_BIN;
    assert.ok(program, "AGENTOS_BIN names the agentos program");
    const listen = this.url === "" ? "127.0.0.1:0" : new URL(this.url).host;
    const args = ["serve", "--data", join(this.#data, "store"), "--listen", listen];
    if (this.#config) args.push("--config", this.#config);
    const child = spawn(program, args, { stdio: ["ignore", "pipe", process.env.AGENTOS_LOGS ? "inherit" : "ignore"] });
    this.#child = child;
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.startsWith(LISTENING)) continue;
      this.url = line.slice(LISTENING.length);
      return this;
    }
    throw new Error("the server ended before it listened");
  }

  /** Ends it, politely or not. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  /** Ends it for good. */
  async remove(): Promise<void> {
    await this.stop("SIGKILL");
    rmSync(this.#data, { recursive: true, force: true });
  }
}
