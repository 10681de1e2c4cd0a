/** Google Drive in memory, on the loopback: the part of its REST interface that files need, and failures on demand. */
import { randomBytes } from "node:crypto";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Kept {
  id: string;
  name: string;
  mimeType: string;
  parents: string[];
  trashed: boolean;
  modifiedTime: string;
  content: Buffer;
}

export interface Service {
  endpoint: string;
  files: Map<string, Kept>;
  /** Requests so far: `GET /drive/v3/files`. */
  log: string[];
  /** Tokens that are good. */
  tokens: Set<string>;
  /** Entries of one page. */
  page: number;
  /** Called before a request is carried out; a status, with a reason and headers, ends it with that. */
  refuse: (method: string, path: string) => [number, string?, Record<string, string>?] | undefined;
  /** Called after something was created; true loses the answer. */
  lose: () => boolean;
  /** What the token endpoint was sent. */
  claims: URLSearchParams[];
  /** Of pieces of uploads: how many bytes of each are kept. */
  keeps: number;
  add(name: string, content: string, parent?: string, mimeType?: string): string;
  close(): Promise<void>;
}

type State = Omit<Service, "endpoint" | "close" | "add">;

const FOLDER = "application/vnd.google-apps.folder";

export async function service(): Promise<Service> {
  const state: State = { files: new Map(), log: [], tokens: new Set(["t0k3n-secret"]), page: 1000, refuse: () => undefined, lose: () => false, claims: [], keeps: Infinity };
  const uploads = new Map<string, { file: Kept; known: boolean; length: number; got: Buffer }>();
  const server = createServer((request, response) => void answer(state, uploads, request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => new Promise<void>((resolve) => (server.close(() => resolve()), server.closeAllConnections()));
  const add = (name: string, content: string, parent = "top", mimeType = "text/plain"): string => {
    const id = randomBytes(12).toString("hex");
    state.files.set(id, { id, name, mimeType, parents: [parent], trashed: false, modifiedTime: new Date().toISOString(), content: Buffer.from(content) });
    return id;
  };
  return Object.assign(state, { endpoint: `http://127.0.0.1:${port}`, close, add });
}

async function answer(state: State, uploads: Map<string, { file: Kept; known: boolean; length: number; got: Buffer }>, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", `http://${request.headers.host}`);
  const method = request.method ?? "";
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const body = Buffer.concat(pieces);
  const end = (status: number, content: unknown = {}, headers: Record<string, string> = {}): void => {
    response.writeHead(status, headers).end(Buffer.isBuffer(content) ? content : JSON.stringify(content));
  };
  const fail = (status: number, reason: string, headers = {}): void => end(status, { error: { code: status, errors: [{ reason }] } }, headers);
  state.log.push(`${method} ${url.pathname}`);
  if (url.pathname === "/token") {
    state.claims.push(new URLSearchParams(body.toString()));
    return end(200, { access_token: "t0k3n-secret", expires_in: 3600, token_type: "Bearer" });
  }
  const refused = state.refuse(method, url.pathname);
  if (refused !== undefined) return fail(refused[0], refused[1] ?? "backendError", refused[2]);
  if (!state.tokens.has((request.headers.authorization ?? "").replace("Bearer ", ""))) return fail(401, "authError");
  const [, id] = /^\/(?:upload\/)?drive\/v3\/files\/([^/]+)$/.exec(url.pathname) ?? [];
  if (url.pathname === "/drive/v3/files/generateIds") return end(200, { ids: [randomBytes(12).toString("hex")] });
  if (url.pathname === "/session") {
    const session = uploads.get(url.searchParams.get("id") ?? "");
    if (session === undefined) return fail(404, "notFound");
    const at = Number(/^bytes (\d+)-/.exec(request.headers["content-range"] ?? "")?.[1] ?? 0);
    if (at !== session.got.length) return fail(400, "badRequest");
    const last = at + body.length === session.length;
    session.got = Buffer.concat([session.got, last ? body : body.subarray(0, state.keeps)]);
    if (session.got.length < session.length) return end(308, {}, session.got.length === 0 ? {} : { range: `bytes=0-${session.got.length - 1}` });
    state.files.set(session.file.id, { ...session.file, content: session.got, modifiedTime: new Date().toISOString() });
    return end(200, { id: session.file.id });
  }
  const described = method === "POST" || method === "PATCH" ? (JSON.parse(body.toString()) as Partial<Kept>) : {};
  const kept = id === undefined ? undefined : state.files.get(id);
  if (id !== undefined && kept === undefined) return fail(404, "notFound");
  if (method === "POST" && state.files.has(described.id ?? "")) return fail(409, "fileIdInUse");
  const fresh: Kept = {
    id: "", name: "", mimeType: "", parents: [], trashed: false, modifiedTime: new Date().toISOString(), content: Buffer.alloc(0), ...kept, ...described,
  };
  if (url.searchParams.get("uploadType") === "resumable") {
    const session = randomBytes(8).toString("hex");
    uploads.set(session, { file: fresh, known: kept !== undefined, length: Number(request.headers["x-upload-content-length"]), got: Buffer.alloc(0) });
    return end(200, {}, { location: `http://${request.headers.host}/session?id=${session}` });
  }
  if (method === "POST" || method === "PATCH") {
    const { searchParams } = url;
    const parents = fresh.parents.filter((parent) => parent !== searchParams.get("removeParents"));
    const added = searchParams.get("addParents");
    state.files.set(fresh.id, { ...fresh, parents: added === null ? parents : [...parents, added] });
    return state.lose() ? fail(503, "backendError") : end(200, { id: fresh.id });
  }
  if (method === "DELETE") return void (state.files.delete(id ?? ""), end(204, Buffer.alloc(0)));
  if (kept !== undefined) {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    if (Number(first) >= kept.content.length) return fail(416, "requestedRangeNotSatisfiable");
    return end(206, kept.content.subarray(Number(first), Number(last) + 1));
  }
  const [, folder] = /^'([^']+)' in parents and trashed = false$/.exec(url.searchParams.get("q") ?? "") ?? [];
  const all = [...state.files.values()].filter(({ parents, trashed }) => parents.includes(folder ?? "") && !trashed);
  const from = Number(url.searchParams.get("pageToken") ?? 0);
  const files = all.slice(from, from + state.page).map(({ content, mimeType, ...file }) => ({ ...file, mimeType, ...(mimeType === FOLDER ? {} : { size: String(content.length) }) }));
  end(200, { files, ...(from + state.page < all.length ? { nextPageToken: String(from + state.page) } : {}) });
}
