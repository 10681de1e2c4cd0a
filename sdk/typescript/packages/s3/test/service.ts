/** An S3 service in memory, on the loopback: objects, tags, conditions, signatures, and failures on demand. */
import { createHash } from "node:crypto";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Service {
  endpoint: string;
  objects: Map<string, Buffer>;
  /** Requests so far: `PUT /bucket/name`. */
  log: string[];
  /** Called before a request is carried out; a status ends it with that. */
  refuse: (method: string, path: string) => number | undefined;
  close(): Promise<void>;
}

export async function service(): Promise<Service> {
  const objects = new Map<string, Buffer>();
  const made: Omit<Service, "endpoint" | "close"> = { objects, log: [], refuse: () => undefined };
  const server = createServer((request, response) => void answer(made, request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => new Promise<void>((resolve) => (server.close(() => resolve()), server.closeAllConnections()));
  return Object.assign(made, { endpoint: `http://127.0.0.1:${port}`, close });
}

const tag = (content: Buffer): string => `"${createHash("md5").update(content).digest("hex")}"`;

async function answer(state: Omit<Service, "endpoint" | "close">, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = decodeURIComponent(request.url ?? "");
  const method = request.method ?? "";
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const body = Buffer.concat(pieces);
  const end = (status: number, content: Buffer | string = "", headers = {}) => response.writeHead(status, headers).end(content);
  state.log.push(`${method} ${path}`);
  const refused = state.refuse(method, path);
  if (refused !== undefined) return void end(refused, `<Error><Code>Test${refused}</Code></Error>`);
  const hash = createHash("sha256").update(body).digest("hex");
  if (!/^AWS4-HMAC-SHA256 Credential=key\/\d{8}\/here\/s3\/aws4_request,/.test(request.headers.authorization ?? "") || request.headers["x-amz-content-sha256"] !== hash) {
    return void end(403, "<Error><Code>SignatureDoesNotMatch</Code></Error>");
  }
  const old = state.objects.get(path);
  if (method === "GET") return void (old === undefined ? end(404) : end(200, old, { etag: tag(old) }));
  if (method === "DELETE") return void (state.objects.delete(path), end(204));
  const { "if-match": match, "if-none-match": none } = request.headers;
  if ((none === "*" && old !== undefined) || (match !== undefined && (old === undefined || match !== tag(old)))) return void end(412);
  state.objects.set(path, body);
  end(200, "", { etag: tag(body) });
}
