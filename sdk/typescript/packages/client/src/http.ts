/** Requests over HTTP, bounded in size and time. */
import type { Endpoint } from "./endpoint.js";
import { ActorError, clientError } from "./errors.js";
import type { Platform } from "./platform/platform.js";
import { CODECS } from "./wire/codec.js";
import type { Codec, Payload } from "./wire/messages.js";

/** A request to the server. */
export interface HttpRequest {
  method: string;
  url: string;
  headers?: Record<string, string>;
  body?: Payload;
  signal: AbortSignal;
}

/** What the server answered. */
export interface HttpAnswer {
  ok: boolean;
  status: number;
  contentType: string;
  body: Uint8Array;
}

/** The way to one server. */
export class Http {
  readonly endpoint: Endpoint;
  readonly platform: Platform;

  constructor(endpoint: Endpoint, platform: Platform) {
    this.endpoint = endpoint;
    this.platform = platform;
  }

  /** Headers of every request. */
  headers(): Record<string, string> {
    const { headers, token } = this.endpoint;
    return token === undefined ? { ...headers } : { ...headers, "x-rivet-token": token };
  }

  /** Sends a request and reads all of the answer. */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const { method, url, headers, body, signal } = request;
    // A redirect would carry the token elsewhere.
    const init: RequestInit = { method, headers: { ...this.headers(), ...headers }, signal, redirect: "error" };
    if (body !== undefined) init.body = body;
    try {
      const response = await this.platform.fetch(url, init);
      const contentType = response.headers.get("content-type") ?? "";
      return { ok: response.ok, status: response.status, contentType, body: await this.#read(response) };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof ActorError) throw error;
      throw clientError(
        "unreachable",
        `server ${this.endpoint.url} cannot be reached: ${reason(error)}`,
        undefined,
        error,
      );
    }
  }

  /** The answer of the control API, which is JSON. */
  async control(method: string, path: string, signal: AbortSignal, body?: object): Promise<unknown> {
    const url = `${this.endpoint.url}${path}`;
    const headers = { "content-type": "application/json" };
    const request: HttpRequest = { method, url, headers, signal };
    const answer = await this.send(body === undefined ? request : { ...request, body: JSON.stringify(body) });
    if (!answer.ok) throw refusal(answer, CODECS.json);
    try {
      return JSON.parse(new TextDecoder().decode(answer.body)) as unknown;
    } catch (cause) {
      throw clientError(
        "protocol",
        `the server ${this.endpoint.url} answers something that is no JSON`,
        undefined,
        cause,
      );
    }
  }

  async #read(response: Response): Promise<Uint8Array> {
    const maximum = this.endpoint.maxMessageSize;
    const announced = Number(response.headers.get("content-length") ?? 0);
    if (announced > maximum || !response.body) {
      if (announced > maximum) await response.body?.cancel();
      return announced > maximum ? tooLarge(maximum, announced) : new Uint8Array();
    }
    const chunks: Uint8Array[] = [];
    let length = 0;
    const reader = response.body.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      length += next.value.length;
      if (length > maximum) {
        await reader.cancel();
        return tooLarge(maximum, length);
      }
      chunks.push(next.value);
    }
    return join(chunks, length);
  }
}

/** The error that an unsuccessful answer carries. Errors of routes are JSON, whatever the request was. */
export function refusal(answer: HttpAnswer, codec: Codec): ActorError {
  const codecs = answer.contentType.includes("json") ? [CODECS.json] : [codec, CODECS.json];
  for (const each of codecs) {
    try {
      return ActorError.from(each.error(answer.body));
    } catch {
      // The next one, or the text below.
    }
  }
  return clientError("protocol", `status ${answer.status} without an error that can be read`, {
    status: answer.status,
  });
}

function tooLarge(maximum: number, observed: number): never {
  const message = `the answer is larger than maxMessageSize: ${observed} of ${maximum} bytes`;
  throw clientError("message_too_large", message, { limit: "maxMessageSize", observed, capacity: maximum });
}

function join(chunks: Uint8Array[], length: number): Uint8Array {
  const [first] = chunks;
  if (chunks.length === 1 && first) return first;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** What went wrong, with its causes: the text of `fetch` alone is "fetch failed". */
function reason(error: unknown): string {
  const texts: string[] = [];
  for (let cause: unknown = error; cause instanceof Error && texts.length < 4; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    texts.push(cause.message || String(code ?? cause.name));
  }
  return texts.join(": ") || String(error);
}
