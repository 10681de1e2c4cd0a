/** The registry: definitions by name, and serving them. */
import { ActorError, isActorError } from "@agentos/client";
import type { RegistryTypes } from "@agentos/client";
import { ActorDefinition } from "./actor.js";
import { VmDefinition } from "./agent-os.js";
import { dispatcher } from "./dispatch.js";
import { NativeRegistry, check } from "./native.js";
import { plainText } from "./plain.js";

/** A kind of VMs or of actors. */
export type Definition = VmDefinition<any, any> | ActorDefinition<any, any, any>;

/** Definitions by the names that clients use. */
export type Definitions = Record<string, Definition>;

/** Bounds of the whole server; all of them are in the guide to the gateway. */
export type ServerLimits = Record<string, number>;

/** What `setup` takes. */
export interface SetupConfig<Use extends Definitions = Definitions> {
  /** Definitions by names of 1 to 64 characters. */
  use: Use;
  /** Where everything durable is; `AGENTOS_DATA_DIR`, or `agentos` in the user's data directory, unless given. */
  dataDir?: string;
  /** What every request must present; `AGENTOS_TOKEN` unless given. */
  token?: string;
  /** Pages that may use the API. */
  cors?: { origins: readonly string[] };
  /** Bytes of one message from a client. */
  maxIncomingMessageSize?: number;
  /** Bytes of one message to a client. */
  maxOutgoingMessageSize?: number;
  /** Bounds of the server. */
  limits?: ServerLimits;
}

/** Where to listen. */
export interface ListenOptions {
  /** An address of this machine; `AGENTOS_HOST` or 127.0.0.1 unless given. */
  host?: string;
  /** 0 takes a free one; `AGENTOS_PORT` or 6420 unless given. */
  port?: number;
  /** Listens beyond loopback although nobody is asked who they are. */
  allowInsecureBind?: boolean;
}

/** A registry that serves. */
export interface ServingRegistry {
  /** For clients on this machine. */
  readonly url: string;
  /** The port. */
  readonly port: number;
  /**
   * Ends it. With `drain`, work in flight is completed and every VM put to sleep in good order; what was acknowledged is
   * stored in any case. Resolves to whether everything was completed.
   */
  close(options?: { drain?: boolean }): Promise<boolean>;
}

const LISTEN_OPTIONS = ["host", "port", "allowInsecureBind"];

/** Definitions that can be served. */
export class Registry<Use extends Definitions = Definitions> implements RegistryTypes<Use> {
  /** Only a type. */
  declare readonly "~use"?: Use;
  readonly #definitions: ReadonlyMap<string, Definition>;
  readonly #setup: string;
  #serving: Promise<ServingRegistry> | undefined;

  /** Checked at once. */
  constructor(config: SetupConfig<Use>) {
    this.#setup = plainText({ ...config, use: undefined });
    check("setup", this.#setup);
    this.#definitions = definitionsOf(config.use);
  }

  /**
   * Serves at `http://127.0.0.1:6420`, or where `AGENTOS_HOST` and `AGENTOS_PORT` say, and returns at once. If that is not
   * possible the process ends with status 1 and a message. SIGTERM and SIGINT drain, then end the process; a second one ends
   * it at once.
   */
  start(): void {
    this.listen().then(
      (serving) => {
        process.stdout.write(`agentos is listening on ${serving.url}\n`);
        endWithSignals(serving);
      },
      (error: unknown) => {
        process.stderr.write(`agentos: ${error instanceof Error ? error.message : String(error)}\n`);
        process.exit(1);
      },
    );
  }

  /** Serves. Resolves when connections are accepted. */
  listen(options: ListenOptions = {}): Promise<ServingRegistry> {
    if (this.#serving !== undefined) {
      return Promise.reject(new ActorError("agentos", "invalid_state", "the registry serves already; close it first"));
    }
    const serving = this.#listen(options);
    this.#serving = serving;
    serving.catch(() => {
      this.#serving = undefined;
    });
    return serving;
  }

  async #listen(options: ListenOptions): Promise<ServingRegistry> {
    if (options === null || typeof options !== "object") throw invalid("listen(options)", "must be an object");
    const unknown = Object.keys(options).find((name) => !LISTEN_OPTIONS.includes(name));
    if (unknown !== undefined) throw invalid(`listen.${unknown}`, `unknown key, known are ${LISTEN_OPTIONS.join(", ")}`);
    if (options.host !== undefined && typeof options.host !== "string") throw invalid("listen.host", "must be a string");
    const { host, port, allowInsecureBind } = options;
    const definitions = [...this.#definitions].map(([name, definition]) => ({
      name,
      config: definition.text,
      vm: definition instanceof VmDefinition,
    }));
    const opened: NativeRegistry = new NativeRegistry((...args) => dispatch(...args));
    const dispatch = dispatcher(this.#definitions, opened);
    try {
      return this.#closable(opened, await opened.listen({ setup: this.#setup, definitions, host, port, allowInsecureBind }));
    } catch (error) {
      throw withFix(error);
    }
  }

  #closable(opened: NativeRegistry, { url, port }: { url: string; port: number }): ServingRegistry {
    let closed: Promise<boolean> | undefined;
    const close = ({ drain = true }: { drain?: boolean } = {}) => {
      closed ??= opened.close(drain).finally(() => {
        this.#serving = undefined;
      });
      return closed;
    };
    return { url, port, close };
  }
}

/** Puts definitions together. Unknown keys and wrong values are refused at once, with `invalid_config` and their path. */
export function setup<Use extends Definitions>(config: SetupConfig<Use>): Registry<Use> {
  if (config === null || typeof config !== "object") throw invalid("setup(config)", "must be an object");
  return new Registry(config);
}

function definitionsOf(use: unknown): ReadonlyMap<string, Definition> {
  if (use === null || typeof use !== "object") throw invalid("use", "must be an object of definitions by name");
  const definitions = new Map<string, Definition>();
  for (const [name, definition] of Object.entries(use)) {
    const length = [...name].length;
    if (length < 1 || length > 64) throw invalid(`use.${name}`, "a name has 1 to 64 characters");
    if (!(definition instanceof VmDefinition || definition instanceof ActorDefinition)) {
      throw invalid(`use.${name}`, "must be what agentOs(...) or actor(...) gave");
    }
    definitions.set(name, definition);
  }
  return definitions;
}

function invalid(path: string, expected: string): ActorError {
  return new ActorError("agentos", "invalid_config", `${path}: ${expected}`, { path, expected });
}

/** Says of a port that is taken what can be done about it. */
function withFix(error: unknown): unknown {
  if (!isActorError(error) || error.code !== "listen_failed" || !/address already in use/i.test(error.message)) return error;
  const fix = "choose another one with listen({ port }) or AGENTOS_PORT (0 takes a free one), or end what listens there";
  return new ActorError(error.group, error.code, `${error.message}; ${fix}`, { path: "port", expected: fix }, { cause: error });
}

/** Drains at the first signal, ends at once at the second. */
function endWithSignals(serving: ServingRegistry): void {
  let ending = false;
  const end = (signal: NodeJS.Signals) => {
    const status = signal === "SIGINT" ? 130 : 143;
    if (ending) process.exit(status);
    ending = true;
    serving.close({ drain: true }).then(
      () => process.exit(0),
      () => process.exit(status),
    );
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
}
