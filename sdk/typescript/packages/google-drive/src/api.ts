/**
 * The REST interface of Google Drive, version 3, as far as files need it.
 *
 * A request that fails for a reason that may pass (too many requests, the service's own trouble, no connection) is made again after
 * a growing pause, or after as long as the service asks for, five times in all. New files get their ids from us beforehand, so that
 * creating one again that was created already is noticed (409) and no second one appears. Answers are read with a bound, redirects
 * are errors, and a token goes to the configured host only. Errors have the system's names; no token is in them.
 */
import type { Config } from "./config.js";
import { Tokens } from "./token.js";

/** A file or folder of Drive. */
export interface Remote {
  id: string;
  name: string;
  mimeType: string;
  size: number;
  mtimeMs: number;
}

export const FOLDER = "application/vnd.google-apps.folder";

const ATTEMPTS = 5;
const PAUSE_MS = 200;
const PAUSE_MAX_MS = 8_000;
/** Longest answer that describes something, in bytes. */
const ANSWER_MAX = 8 << 20;
const PAGE = 1000;
/** Most entries of one folder. */
const ENTRIES_MAX = 50_000;
/** What is longer than this is uploaded in pieces of as much; the service wants multiples of 256 KiB. */
const PIECE = 8 << 20;
const FIELDS = "id,name,mimeType,size,modifiedTime";

interface Asked {
  method: string;
  /** Path and query below the endpoint, or the whole address of an upload. */
  to: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  /** Longest good answer. */
  max?: number;
  /** States besides 2xx that are good. */
  also?: number[];
}

interface Answer {
  status: number;
  headers: Headers;
  content: Uint8Array;
}

export class Drive {
  readonly #config: Config;
  readonly #tokens: Tokens;

  constructor(config: Config) {
    this.#config = config;
    this.#tokens = new Tokens(config);
  }

  /** Everything in a folder, the oldest first. */
  async list(folder: string): Promise<Remote[]> {
    const found: Remote[] = [];
    let pageToken = "";
    do {
      const query = new URLSearchParams({
        q: `'${folder}' in parents and trashed = false`, fields: `nextPageToken,files(${FIELDS})`, pageSize: String(PAGE), orderBy: "createdTime",
        supportsAllDrives: "true", includeItemsFromAllDrives: "true", ...(pageToken === "" ? {} : { pageToken }),
      });
      const page = await this.#json({ method: "GET", to: `/drive/v3/files?${query}` });
      if (!Array.isArray(page["files"])) throw damaged();
      found.push(...page["files"].map(remote));
      if (found.length > ENTRIES_MAX) throw failure("EOVERFLOW", `a folder of more than ${ENTRIES_MAX} entries`);
      pageToken = typeof page["nextPageToken"] === "string" ? page["nextPageToken"] : "";
    } while (pageToken !== "");
    return found;
  }

  /** Bytes of a file; fewer at its end. */
  async read(id: string, offset: number, length: number): Promise<Uint8Array> {
    if (length === 0) return new Uint8Array();
    const headers = { range: `bytes=${offset}-${offset + length - 1}` };
    const { status, content } = await this.#request({ method: "GET", to: `/drive/v3/files/${id}?alt=media&supportsAllDrives=true`, headers, max: offset + length, also: [416] });
    if (status === 416) return new Uint8Array();
    // A service that ignores ranges gives all of it.
    return status === 206 ? content.subarray(0, length) : content.subarray(offset, offset + length);
  }

  /** Creates a folder. */
  async createFolder(parent: string, name: string): Promise<Remote> {
    const id = await this.#newId();
    const body = JSON.stringify({ id, name, mimeType: FOLDER, parents: [parent] });
    const to = `/drive/v3/files?${new URLSearchParams({ fields: FIELDS, supportsAllDrives: "true" })}`;
    await this.#request({ method: "POST", to, headers: { "content-type": "application/json" }, body, also: [409] });
    return { id, name, mimeType: FOLDER, size: 0, mtimeMs: Date.now() };
  }

  /** Creates a file with a content. */
  async createFile(parent: string, name: string, content: Uint8Array): Promise<Remote> {
    const id = await this.#newId();
    const described = { id, name, parents: [parent], mimeType: "application/octet-stream" };
    await this.#upload("POST", "/upload/drive/v3/files", described, content);
    return { id, name, mimeType: described.mimeType, size: content.length, mtimeMs: Date.now() };
  }

  /** Replaces the content of a file. */
  async replace(id: string, content: Uint8Array): Promise<void> {
    await this.#upload("PATCH", `/upload/drive/v3/files/${id}`, {}, content);
  }

  /** Changes what is known of a file: its name, its time, or that it is in the bin. */
  async change(id: string, changes: Record<string, unknown>, parents?: { from: string; to: string }): Promise<void> {
    const moved: Record<string, string> = parents === undefined || parents.from === parents.to ? {} : { addParents: parents.to, removeParents: parents.from };
    const query = new URLSearchParams({ fields: "id", supportsAllDrives: "true", ...moved });
    const headers = { "content-type": "application/json" };
    await this.#request({ method: "PATCH", to: `/drive/v3/files/${id}?${query}`, headers, body: JSON.stringify(changes) });
  }

  /** Removes something for good. It may have been removed by a request whose answer was lost. */
  async remove(id: string): Promise<void> {
    await this.#request({ method: "DELETE", to: `/drive/v3/files/${id}?supportsAllDrives=true`, also: [404] });
  }

  async #newId(): Promise<string> {
    const { ids } = await this.#json({ method: "GET", to: "/drive/v3/files/generateIds?count=1&space=drive&type=files" });
    const id: unknown = Array.isArray(ids) ? ids[0] : undefined;
    if (!isId(id)) throw damaged();
    return id;
  }

  /** One upload in pieces: first what it is, then its content. */
  async #upload(method: string, path: string, described: object, content: Uint8Array): Promise<void> {
    const query = new URLSearchParams({ uploadType: "resumable", fields: "id", supportsAllDrives: "true" });
    const headers = { "content-type": "application/json; charset=UTF-8", "x-upload-content-type": "application/octet-stream", "x-upload-content-length": String(content.length) };
    const begun = await this.#request({ method, to: `${path}?${query}`, headers, body: JSON.stringify(described), also: method === "POST" ? [409] : [] });
    if (begun.status === 409) return;
    const to = begun.headers.get("location") ?? "";
    if (!URL.canParse(to) || new URL(to).origin !== this.#config.endpoint.origin) throw failure("EIO", "Google Drive gave an upload address elsewhere");
    for (let at = 0; at < content.length || at === 0; ) {
      const piece = content.subarray(at, at + PIECE);
      const last = at + piece.length === content.length;
      const range = content.length === 0 ? "bytes */0" : `bytes ${at}-${at + piece.length - 1}/${content.length}`;
      const { status, headers } = await this.#request({ method: "PUT", to, headers: { "content-range": range }, body: piece, also: last ? [] : [308] });
      if (status !== 308) return;
      // What the service has not kept of a piece is sent again.
      const kept = /^bytes=0-(\d{1,15})$/.exec(headers.get("range") ?? "")?.[1];
      const next = kept === undefined ? 0 : Number(kept) + 1;
      if (next <= at || next > at + piece.length) throw failure("EIO", "an upload does not get on");
      at = next;
    }
  }

  async #json(asked: Asked): Promise<Record<string, unknown>> {
    const { content } = await this.#request(asked);
    try {
      const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content));
      if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
    } catch {
      // Said below.
    }
    throw damaged();
  }

  async #request(asked: Asked): Promise<Answer> {
    let renewed = false;
    for (let attempt = 1; ; attempt++) {
      const token = await this.#tokens.get();
      const answer = await this.#once(asked, token).catch((error: unknown) => {
        if (attempt === ATTEMPTS || (error as { code?: unknown }).code === "EFBIG") throw unreachable(error, asked);
        return undefined;
      });
      if (answer !== undefined) {
        const { status } = answer;
        if ((status >= 200 && status < 300) || asked.also?.includes(status) === true) return answer;
        if (status === 401 && !renewed) {
          renewed = true;
          this.#tokens.refused(token);
          continue;
        }
        if (!passes(answer) || attempt === ATTEMPTS) throw refusal(answer, asked);
      }
      await pause(attempt, answer?.headers.get("retry-after") ?? null);
    }
  }

  async #once({ method, to, headers, body, max = ANSWER_MAX }: Asked, token: string): Promise<Answer> {
    const { endpoint, requestTimeoutMs } = this.#config;
    const base = endpoint.origin + endpoint.pathname.replace(/\/$/, "");
    const response = await fetch(to.startsWith("/") ? base + to : to, {
      method,
      redirect: "manual",
      headers: { ...headers, authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(requestTimeoutMs),
      ...(body === undefined ? {} : { body: body as string | Uint8Array<ArrayBuffer> }),
    });
    return { status: response.status, headers: response.headers, content: await bounded(response, max) };
  }
}

/** The body, if it is not longer than it may be. */
async function bounded(response: Response, max: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body ?? []) {
    length += piece.length;
    if (length > Math.max(max, 64 << 10)) throw failure("EFBIG", `an answer of more than ${max} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces, length);
}

/** Waits before a further attempt. */
function pause(attempt: number, retryAfter: string | null): Promise<void> {
  const asked = retryAfter !== null && /^\d{1,3}$/.test(retryAfter) ? Number(retryAfter) * 1000 : 0;
  const grown = PAUSE_MS * 2 ** (attempt - 1) * (1 + Math.random());
  return new Promise((resolve) => setTimeout(resolve, Math.min(PAUSE_MAX_MS, Math.max(asked, grown))));
}

/** The service's word for an error: `rateLimitExceeded`. */
function reason({ content }: Answer): string {
  return /"reason"\s*:\s*"([A-Za-z]{1,64})"/.exec(new TextDecoder().decode(content.subarray(0, 64 << 10)))?.[1] ?? "";
}

/** Whether an error may pass by itself. */
function passes(answer: Answer): boolean {
  const limited = answer.status === 403 && ["rateLimitExceeded", "userRateLimitExceeded"].includes(reason(answer));
  return limited || answer.status === 429 || answer.status === 408 || answer.status >= 500;
}

function refusal(answer: Answer, { method }: Asked): Error {
  const why = reason(answer);
  const full = ["storageQuotaExceeded", "teamDriveFileLimitExceeded", "numChildrenInNonRootLimitExceeded", "activeItemCreationLimitExceeded"];
  const named: Record<number, string> = { 401: "EACCES", 403: passes(answer) ? "EAGAIN" : "EACCES", 404: "ENOENT", 413: "EFBIG", 429: "EAGAIN" };
  const code = full.includes(why) ? "ENOSPC" : (named[answer.status] ?? "EIO");
  return failure(code, `Google Drive answered ${answer.status}${why === "" ? "" : ` (${why})`} to ${method}`);
}

/** A request that got no answer. The text of what failed below may hold the address, and with it an upload's secret. */
function unreachable(error: unknown, { method }: Asked): unknown {
  const known = error as { code?: unknown; name?: unknown; cause?: { code?: unknown } };
  if (known.code === "EFBIG") return error;
  const why = known.name === "TimeoutError" ? "in time" : typeof known.cause?.code === "string" ? `(${known.cause.code})` : "";
  return failure("EIO", `Google Drive did not answer to ${method} ${why}`.trim());
}

function damaged(): Error {
  return failure("EIO", "Google Drive gave an answer of another form");
}

export function failure(code: string, text: string): Error {
  return Object.assign(new Error(`${code}: ${text}`), { code });
}

function isId(id: unknown): id is string {
  return typeof id === "string" && /^[A-Za-z0-9_-]{1,128}$/.test(id);
}

/** What an answer says of a file; nothing of it is believed unseen. */
function remote(value: unknown): Remote {
  const { id, name, mimeType, size, modifiedTime } = (value ?? {}) as Record<string, unknown>;
  if (!isId(id) || typeof name !== "string" || typeof mimeType !== "string") throw damaged();
  const bytes = typeof size === "string" && /^\d{1,15}$/.test(size) ? Number(size) : 0;
  const time = typeof modifiedTime === "string" ? Date.parse(modifiedTime) : NaN;
  return { id, name, mimeType, size: bytes, mtimeMs: Number.isFinite(time) ? time : 0 };
}
