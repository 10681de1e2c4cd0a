/** Calls of a handle: one request over HTTP each, an ephemeral connection for the server's hooks. */
import { deadline, orAbort } from "./deadline.js";
import { actorUrl } from "./endpoint.js";
import { invalidArgument } from "./errors.js";
import type { Http, HttpAnswer } from "./http.js";
import { refusal } from "./http.js";
import { escape, writeParams } from "./params.js";
import { isGone, repeating } from "./retry.js";
import type { Target } from "./target.js";
import { CODECS } from "./wire/codec.js";
import type { Payload, QueueResponse } from "./wire/messages.js";

/** Where connection parameters come from: fixed, or asked for at every connect and call. */
export interface ParamsSource {
  params?: unknown;
  getParams?: (() => unknown) | undefined;
}

/** How one call is made. */
export interface InvokeOptions {
  /** Gives the call up. */
  signal?: AbortSignal | undefined;
  /** Milliseconds that it may take, 0 for any time. */
  timeoutMs?: number | undefined;
}

/** The one action whose time the server alone decides about: it may wait for a person. */
const UNTIMED = "sendPrompt";

/** What a handle needs to reach its actor. */
export class Caller {
  readonly http: Http;
  readonly target: Target;
  readonly #source: ParamsSource;

  constructor(http: Http, target: Target, source: ParamsSource) {
    if (source.getParams !== undefined && typeof source.getParams !== "function") {
      throw invalidArgument("getParams", "a function", source.getParams);
    }
    // Parameters that cannot be sent are refused where they are given.
    writeParams(source.params);
    this.http = http;
    this.target = target;
    this.#source = source;
  }

  /** The parameters of now, as they are sent. */
  async params(signal: AbortSignal): Promise<string | undefined> {
    const { getParams, params } = this.#source;
    return writeParams(getParams ? await orAbort(Promise.resolve().then(getParams), signal) : params);
  }

  /** Whether the next parameters may be others. */
  get renewable(): boolean {
    return this.#source.getParams !== undefined;
  }

  /** Runs an action over HTTP. */
  async action(name: string, args: unknown[], options: InvokeOptions): Promise<unknown> {
    const codec = this.#codec();
    const body = codec.action(args);
    const answer = await this.#post(`/action/${escape(name)}`, name, body, options);
    return codec.output(answer.body);
  }

  /** Sends a message to a queue. */
  async queue(
    name: string,
    body: unknown,
    options: InvokeOptions & { wait: boolean; waitMs?: number },
  ): Promise<QueueResponse> {
    const codec = this.#codec();
    const message = codec.queue({ name, body, wait: options.wait, timeout: options.waitMs });
    return codec.queueResponse((await this.#post(`/queue/${escape(name)}`, name, message, options)).body);
  }

  /** How long a call may take. */
  timeout(name: string, options: InvokeOptions): number {
    return options.timeoutMs ?? (name === UNTIMED ? 0 : this.http.endpoint.callTimeoutMs);
  }

  #codec() {
    return CODECS[this.http.endpoint.encoding];
  }

  async #post(path: string, name: string, body: Payload, options: InvokeOptions): Promise<HttpAnswer> {
    const { clock } = this.http.platform;
    const limit = deadline(clock, name, this.timeout(name, options), options.signal);
    try {
      return await this.#found(
        (id) => repeating(clock, limit.signal, () => this.#once(id, path, body, limit.signal)),
        limit.signal,
      );
    } finally {
      limit.end();
    }
  }

  /** Does something with the actor's id, and once more with a new one if its actor is gone. */
  async #found<T>(use: (id: string) => Promise<T>, signal: AbortSignal): Promise<T> {
    try {
      return await use(await this.target.resolve(signal));
    } catch (error) {
      if (!isGone(error) || !this.target.forget()) throw error;
      return await use(await this.target.resolve(signal));
    }
  }

  async #once(id: string, path: string, body: Payload, signal: AbortSignal): Promise<HttpAnswer> {
    const codec = this.#codec();
    const headers: Record<string, string> = { "content-type": codec.contentType, "x-rivet-encoding": codec.encoding };
    const params = await this.params(signal);
    if (params !== undefined) headers["x-rivet-conn-params"] = params;
    const url = `${actorUrl(this.http.endpoint, id)}${path}`;
    const answer = await this.http.send({ method: "POST", url, headers, body, signal });
    if (!answer.ok) throw refusal(answer, codec);
    return answer;
  }
}

/**
 * Takes the signal out of a call's options. A signal is no value that could be sent, so that a last argument with one is
 * meant for this side: `vm.exec("make", { signal })`.
 */
export function withoutSignal(args: unknown[]): { args: unknown[]; signal: AbortSignal | undefined } {
  const kept = [...args];
  const last = kept.at(-1) as { signal?: unknown } | undefined;
  let signal: AbortSignal | undefined;
  if (typeof last === "object" && last !== null && last.signal instanceof AbortSignal) {
    const { signal: taken, ...rest } = last;
    signal = taken as AbortSignal;
    kept[kept.length - 1] = Object.keys(rest).length > 0 ? rest : undefined;
  }
  while (kept.length > 0 && kept.at(-1) === undefined) kept.pop();
  return { args: kept, signal };
}
