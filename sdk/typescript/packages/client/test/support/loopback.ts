// A server on loopback that answers as a test wants.
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";
import { CODECS } from "../../dist/wire/codec.js";
import { encode } from "../../dist/wire/cbor.js";
import type { Encoding } from "../../dist/index.js";

/** A request with its body. */
export interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: Buffer;
}

export interface Loopback {
  url: string;
  seen: Seen[];
  sockets: WebSocket[];
  close(): Promise<void>;
}

/** Answers the question for an actor's id, and leaves the rest to `answer`. */
export async function loopback(
  answer: (request: Seen, response: ServerResponse) => unknown,
  onSocket: (socket: WebSocket, request: IncomingMessage) => void = () => {},
): Promise<Loopback> {
  const seen: Seen[] = [];
  const sockets: WebSocket[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      const whole = { method, url, headers, body: Buffer.concat(chunks) };
      seen.push(whole);
      if (method === "PUT" && url.startsWith("/actors")) {
        json(response, 200, { actor: { actor_id: "a1", name: JSON.parse(whole.body.toString()).name }, created: true });
      } else {
        answer(whole, response);
      }
    });
  });
  const upgrades = new WebSocketServer({ server, handleProtocols: () => "rivet" });
  upgrades.on("connection", (socket, request) => {
    sockets.push(socket);
    socket.on("error", () => {});
    onSocket(socket, request);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    sockets,
    async close() {
      for (const socket of sockets) socket.terminate();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** The result of an action in an encoding. */
export function result(encoding: Encoding, output: unknown): Uint8Array | string {
  if (encoding === "json") return JSON.stringify({ output });
  if (encoding === "cbor") return encode({ output });
  const value = encode(output);
  return Buffer.concat([Buffer.from([3, 0, value.length]), value]);
}

/** The arguments in the body of an action. */
export function contentType(encoding: Encoding): string {
  return CODECS[encoding].contentType;
}

/** A frame of the binary schema that accepts a connection. */
export function initFrame(): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  return Buffer.concat([Buffer.from([2, 0, 0]), text("a1"), text("c1")]);
}
