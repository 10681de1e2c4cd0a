/**
 * Objects of a bucket. A request that fails for a reason that may pass is made again, three times in all; every answer is read
 * with a bound on its length, and redirects are errors. What fails is `EIO`, with the status and the service's code in the text.
 */
import type { Config } from "./config.js";
import { encode, sha256, sign } from "./sign.js";

/** An object. */
export interface Stored {
  content: Uint8Array;
  etag: string;
}

/** When a change is made: only if the object has this tag, or only if there is none. */
export type Condition = { etag: string } | "absent";

/** The object is another than the condition says. */
export class Conflict extends Error {
  readonly code = "EIO";
}

const ATTEMPTS = 3;
/** Longest answer of an error that is read. */
const ERROR_MAX = 16 << 10;

interface Answer {
  status: number;
  etag: string;
  content: Uint8Array;
}

export class Bucket {
  readonly #config: Config;

  constructor(config: Config) {
    this.#config = config;
  }

  /** The object with this name, of at most `max` bytes; undefined if there is none. */
  async get(name: string, max: number): Promise<Stored | undefined> {
    const answer = await this.#request("GET", name, undefined, {}, max);
    return answer.status === 404 ? undefined : { content: answer.content, etag: answer.etag };
  }

  /** Creates or replaces an object; its tag. */
  async put(name: string, content: Uint8Array, condition?: Condition): Promise<string> {
    const only: Record<string, string> = condition === undefined ? {} : condition === "absent" ? { "if-none-match": "*" } : { "if-match": condition.etag };
    const answer = await this.#request("PUT", name, content, only, ERROR_MAX);
    if (answer.status === 404) throw failure("PUT", name, 404, answer.content);
    return answer.etag;
  }

  /** Removes an object; one that is not there is no error. */
  async delete(name: string): Promise<void> {
    await this.#request("DELETE", name, undefined, {}, ERROR_MAX);
  }

  async #request(method: string, name: string, body: Uint8Array | undefined, extra: Record<string, string>, max: number): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await this.#once(method, name, body, extra, max);
        if (answer.status < 300 || answer.status === 404) return answer;
        if (answer.status === 412 || answer.status === 409) throw new Conflict(`EIO: ${name} was changed by somebody else`);
        if (answer.status < 500 && answer.status !== 429) throw failure(method, name, answer.status, answer.content);
        if (attempt === ATTEMPTS) throw failure(method, name, answer.status, answer.content);
      } catch (error) {
        if (error instanceof Conflict || (error as { code?: unknown }).code === "EIO" || attempt === ATTEMPTS) throw known(error, method, name);
      }
      await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** attempt));
    }
  }

  async #once(method: string, name: string, body: Uint8Array | undefined, extra: Record<string, string>, max: number): Promise<Answer> {
    const { bucket, prefix, endpoint, credentials, region, requestTimeoutMs } = this.#config;
    const base = endpoint.pathname.replace(/\/$/, "");
    const path = `${base}/${encode(bucket)}/${(prefix + name).split("/").map(encode).join("/")}`;
    const unsigned = { method, host: endpoint.host, path, query: [], headers: extra, payloadHash: sha256(body ?? "") };
    const { host: _, ...headers } = sign(unsigned, credentials, region, new Date());
    const response = await fetch(`${endpoint.origin}${path}`, {
      method,
      headers,
      redirect: "error",
      signal: AbortSignal.timeout(requestTimeoutMs),
      ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
    });
    const content = await bounded(response, response.ok ? max : ERROR_MAX);
    return { status: response.status, etag: response.headers.get("etag") ?? "", content };
  }
}

/** The body, if it is not longer than it may be. */
async function bounded(response: Response, max: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body ?? []) {
    length += piece.length;
    if (length > max) throw Object.assign(new Error(`EIO: an answer of more than ${max} bytes`), { code: "EIO" });
    pieces.push(piece);
  }
  return Buffer.concat(pieces, length);
}

function failure(method: string, name: string, status: number, content: Uint8Array): Error {
  const code = /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(new TextDecoder().decode(content))?.[1];
  const why = code === undefined ? "" : ` (${code})`;
  return Object.assign(new Error(`EIO: the bucket answered ${status}${why} to ${method} ${name}`), { code: "EIO" });
}

function known(error: unknown, method: string, name: string): unknown {
  if ((error as { code?: unknown }).code === "EIO") return error;
  const text = error instanceof Error ? error.message : String(error);
  return Object.assign(new Error(`EIO: ${method} ${name}: ${text}`, { cause: error }), { code: "EIO" });
}
