// Connections over real sockets to servers on loopback that do not behave.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import { createClient } from "../dist/index.js";
import { fails } from "./support/fake.js";
import { initFrame, loopback } from "./support/loopback.js";

/** Resolves with the first thing that the connection says. */
function next(connection: any, what: "onOpen" | "onError" | "onClose"): Promise<any> {
  return new Promise((resolve) => connection[what](resolve));
}

test("an upgrade that is refused with 401 ends the connection", async () => {
  const server = createServer((socket: Socket) => {
    socket.on("data", () => socket.end("HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"));
    socket.on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = createClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const connection = client.vm!.getForId("a1").connect();
  await fails(connection.exec!("a"), "auth/unauthorized");
  server.close();
});

test("frames too large, of the wrong kind, and garbage end the socket; the connection comes back", async () => {
  const frames: (Buffer | string)[] = [Buffer.alloc(5000), "text", Buffer.from([3, 0, 9]), Buffer.from([200, 0])];
  const server = await loopback(
    () => {},
    (socket) => {
      socket.send(initFrame());
      const frame = frames.shift();
      if (frame !== undefined) socket.send(frame);
    },
  );
  const client = createClient({ endpoint: server.url, maxMessageSize: 1000 });
  const connection = client.vm!.getOrCreate("k").connect();
  for (let losses = 1; losses <= 4; losses++) {
    const { reconnecting } = await next(connection, "onClose");
    assert.equal(reconnecting, true);
  }
  const { gap, losses } = await next(connection, "onOpen");
  assert.ok(gap.until >= gap.since);
  assert.equal(losses, 4);
  await client.dispose();
  await server.close();
});

test("a connection that is disposed at any moment of its opening harms nothing", async () => {
  const server = await loopback(
    () => {},
    (socket) => socket.send(initFrame()),
  );
  const client = createClient(server.url);
  for (let turns = 0; turns < 40; turns++) {
    const connection = client.vm!.getForId("a1").connect();
    for (let turn = 0; turn < turns; turn++) await (turn % 4 === 3 ? new Promise(setImmediate) : Promise.resolve());
    await connection.dispose();
    assert.equal(connection.connStatus, "closed");
  }
  await server.close();
});

test("an actor's own sockets", async () => {
  const server = await loopback(
    () => {},
    (socket, request) => {
      socket.send(request.url ?? "");
      socket.on("message", (data) => socket.send(`echo ${String(data)}`));
    },
  );
  const client = createClient(server.url);
  const socket = await client.vm!.getOrCreate("k").webSocket("/chat?x=1");
  const lines: string[] = [];
  await new Promise<void>((resolve) => {
    socket.addEventListener("open", () => socket.send("hi"));
    socket.addEventListener("message", ({ data }) => lines.push(String(data)) === 2 && resolve());
  });
  assert.deepEqual(lines, ["/gateway/a1/websocket/chat?x=1", "echo hi"]);
  await server.close();
});

test("nothing keeps the process: one with a disposed client ends by itself", async () => {
  const server = await loopback(
    () => {},
    (socket) => socket.send(initFrame()),
  );
  const client = createClient(server.url);
  const connection = client.vm!.getOrCreate("k").connect();
  await connection.ready;
  await client.dispose();
  await fails(connection.exec!("a"), "client/disposed");
  await server.close();
});
