// Connections, on a platform that the test plays.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Stage, fails, settle } from "./support/fake.js";

async function opened(stage: Stage, options: object = {}) {
  const connection = stage.vm(options).connect();
  await settle();
  stage.socket.init();
  return connection;
}

test("opens at the actor's own address, with encoding and parameters in the subprotocols", async () => {
  const stage = new Stage({ token: "s/ecret" });
  stage.vm({ params: { a: "(é)" } }).connect();
  await settle();
  assert.equal(stage.socket.url, "ws://server.test/gateway/a1@s%2Fecret/connect");
  const [first, second, params] = stage.socket.protocols;
  assert.deepEqual([first, second], ["rivet", "rivet_encoding.json"]);
  assert.match(params ?? "", /^rivet_conn_params\.[A-Za-z0-9_.!~*'%-]+$/);
  assert.deepEqual(JSON.parse(decodeURIComponent((params ?? "").slice("rivet_conn_params.".length))), { a: "(é)" });
});

test("subscribes first, then sends what waited, and answers whoever asked", async () => {
  const stage = new Stage();
  const connection = stage.vm().connect();
  const seen: unknown[] = [];
  const [one, two] = [connection.exec!("a"), connection.exec!("b")];
  connection.on("processOutput", (...args: unknown[]) => seen.push(args));
  await settle();
  stage.socket.init();
  assert.deepEqual(stage.socket.said, ["+processOutput", "call exec", "call exec"]);
  stage.socket.answer(1, "B");
  stage.socket.message("Event", { name: "processOutput", args: [{ pid: 1, data: ["$Uint8Array", "CQg="] }] });
  stage.socket.answer(0, "A");
  assert.deepEqual(await Promise.all([one, two]), ["A", "B"]);
  assert.deepEqual(seen, [[{ pid: 1, data: new Uint8Array([9, 8]) }]]);
});

test("unsubscribes with the last listener, and once means once", async () => {
  const stage = new Stage();
  const connection = await opened(stage);
  let heard = 0;
  const offs = [connection.on("e", () => heard++), connection.on("e", () => heard++)];
  connection.once("e", () => heard++);
  stage.socket.message("Event", { name: "e", args: [] });
  stage.socket.message("Event", { name: "e", args: [] });
  assert.equal(heard, 5);
  offs[0]!();
  offs[0]!();
  assert.deepEqual(stage.socket.said, ["+e"]);
  offs[1]!();
  assert.deepEqual(stage.socket.said, ["+e", "-e"]);
});

test("after a loss: sent calls fail, others wait, subscriptions come back, the gap is told", async () => {
  const stage = new Stage();
  const connection = stage.vm().connect();
  const log: unknown[] = [];
  connection.onOpen((info) => log.push(info));
  connection.onClose(({ reason, reconnecting }) => log.push([reason, reconnecting]));
  connection.onStatusChange((status) => log.push(status));
  connection.on("e", () => {});
  await settle();
  stage.socket.init("c1");
  const lost = connection.exec!("make");
  await settle();
  const since = stage.clock.now();
  await stage.clock.advance(1000);
  stage.socket.end("ws.going_away");
  const error = await fails(lost, "client/connection_lost");
  assert.deepEqual(error.metadata, { action: "exec", reason: "ws.going_away" });
  assert.equal(connection.connStatus, "disconnected");
  const waiting = connection.readdir!("/");
  await stage.clock.advance(250);
  assert.equal(stage.sockets.length, 2);
  stage.socket.init("c2");
  assert.deepEqual(stage.socket.said, ["+e", "call readdir"]);
  stage.socket.answer(1, ["x"]);
  assert.deepEqual(await waiting, ["x"]);
  const opening = { actorId: "a1", reconnected: false, losses: 0 };
  assert.deepEqual(log, [
    "connected",
    { ...opening, connectionId: "c1" },
    "disconnected",
    ["ws.going_away", true],
    "connected",
    { ...opening, connectionId: "c2", reconnected: true, losses: 1, gap: { since, until: since + 1250 } },
  ]);
});

test("delays grow from 250 ms to 10 s, are spread, and never end", async () => {
  const stage = new Stage();
  const connection = await opened(stage);
  stage.refuse = new Error("refused");
  let errors = 0;
  connection.onError(() => errors++);
  stage.socket.end();
  const delays: number[] = [];
  for (let attempt = 0; attempt < 200; attempt++) {
    const before = { errors, at: stage.clock.now() };
    while (errors === before.errors) await stage.clock.next();
    delays.push(stage.clock.now() - before.at);
  }
  assert.deepEqual(delays.slice(0, 7), [250, 500, 1000, 2000, 4000, 8000, 10_000]);
  assert.ok(delays.slice(6).every((delay) => delay === 10_000));
  assert.equal(connection.connStatus, "disconnected");
  stage.clock.chance = 0;
  const before = { errors, at: stage.clock.now() };
  await stage.clock.advance(10_000); // The delay that was chosen before chance changed.
  while (errors === before.errors + 1) await stage.clock.next();
  assert.equal(stage.clock.now() - before.at, 17_500);
  stage.refuse = undefined;
  await stage.clock.advance(10_000);
  stage.socket.init();
  assert.equal(connection.connStatus, "connected");
});

test("a server that accepts and hangs up is met with growing delays, a good connection starts them anew", async () => {
  const stage = new Stage();
  await opened(stage);
  const counts: number[] = [];
  for (const wait of [250, 500, 1000, 2000]) {
    stage.socket.end("ws.going_away");
    await stage.clock.advance(wait - 50);
    const before = stage.sockets.length;
    await stage.clock.advance(50);
    counts.push(stage.sockets.length - before);
    stage.socket.init();
  }
  assert.deepEqual(counts, [1, 1, 1, 1]);
  await stage.clock.advance(5000);
  stage.socket.end("ws.going_away");
  await stage.clock.advance(250);
  assert.equal(stage.sockets.length, 6);
});

test("a call does not wait for a connection for ever", async () => {
  const stage = new Stage({ connectionWaitMs: 5000 });
  stage.refuse = new Error("refused");
  const connection = stage.vm().connect();
  const call = fails(connection.exec!("a"), "client/not_connected");
  await stage.clock.advance(5000);
  await call;
  stage.refuse = undefined;
  await stage.clock.advance(10_000);
  stage.socket.init();
  assert.deepEqual(stage.socket.said, []);
});

test("a call that is not answered ends, too; a prompt is left to the server", async () => {
  const stage = new Stage({ callTimeoutMs: 1000 });
  const connection = await opened(stage);
  const [call, prompt] = [fails(connection.exec!("a"), "client/timed_out"), connection.sendPrompt!("s", "hi")];
  const own = fails(connection.action({ name: "exec", args: ["a"], timeoutMs: 100 }), "client/timed_out");
  await stage.clock.advance(100);
  await own;
  await stage.clock.advance(900);
  await call;
  stage.socket.answer(0, "late, for nobody");
  stage.socket.answer(1, "done");
  assert.equal(await prompt, "done");
});

test("a refusal ends the connection and all that waits for it", async () => {
  const stage = new Stage();
  const connection = stage.vm().connect();
  const closes: unknown[] = [];
  connection.onClose(({ reason, reconnecting }) => closes.push([reason, reconnecting]));
  const call = connection.exec!("a");
  await settle();
  stage.socket.message("Error", {
    group: "user",
    code: "forbidden",
    message: "Forbidden",
    metadata: { why: "x" },
    actionId: null,
  });
  stage.socket.end("user.forbidden");
  const error = await fails(call, "user/forbidden");
  assert.deepEqual([error.message, error.metadata], ["Forbidden", { why: "x" }]);
  assert.equal(error.constructor.name, "UserError");
  await fails(connection.ready, "user/forbidden");
  await fails(connection.exec!("later"), "user/forbidden");
  await stage.clock.advance(60_000);
  assert.deepEqual([stage.sockets.length, connection.connStatus], [1, "closed"]);
  assert.deepEqual(closes, [["user.forbidden", false]]);
});

for (const reason of ["actor.destroyed", "auth.unauthorized", "user.kicked#ray1"]) {
  test(`a close with ${reason} is for good`, async () => {
    const stage = new Stage();
    const connection = await opened(stage);
    stage.socket.end(reason);
    await stage.clock.advance(60_000);
    assert.deepEqual([stage.sockets.length, connection.connStatus], [1, "closed"]);
  });
}

for (const reason of [
  "",
  "ws.going_away",
  "guard.service_unavailable",
  "actor.stopping",
  "auth.auth_timeout",
  "what?",
]) {
  test(`a close with ${JSON.stringify(reason)} is not for good`, async () => {
    const stage = new Stage();
    const connection = await opened(stage);
    stage.socket.end(reason);
    await stage.clock.advance(250);
    stage.socket.init();
    assert.equal(connection.connStatus, "connected");
  });
}

test("parameters are asked for at every attempt, and a failure to get them is passing", async () => {
  const stage = new Stage();
  let asked = 0;
  const getParams = async () => {
    if (++asked === 2) throw new Error("the token service is down");
    return { token: asked };
  };
  const connection = await opened(stage, { getParams });
  stage.socket.end("auth.unauthorized");
  await stage.clock.advance(250);
  assert.deepEqual([asked, stage.sockets.length], [2, 1]);
  await stage.clock.advance(500);
  assert.deepEqual([asked, stage.sockets.length], [3, 2]);
  assert.match(stage.socket.protocols[2] ?? "", /%22token%22%3A3/);
  stage.socket.fail(null, "auth", "unauthorized");
  stage.socket.end("auth.unauthorized");
  assert.equal(connection.connStatus, "closed");
});

test("an opening that nobody answers is given up and tried again", async () => {
  const stage = new Stage();
  stage.vm().connect();
  await settle();
  await stage.clock.advance(30_000);
  assert.ok(stage.socket.terminated);
  await stage.clock.advance(250);
  assert.equal(stage.sockets.length, 2);
  stage.socket.tell("error", { message: "connect ECONNREFUSED" }); // Without a close behind it, as Node 22 has it.
  await stage.clock.advance(500);
  assert.equal(stage.sockets.length, 3);
});

test("a silent server is asked, and left if it stays silent", async () => {
  const stage = new Stage();
  const connection = await opened(stage);
  await stage.clock.advance(30_000);
  assert.equal(stage.socket.asked, 1);
  stage.socket.pong();
  await stage.clock.advance(30_000);
  assert.deepEqual([stage.socket.asked, connection.isConnected], [2, true]);
  await stage.clock.advance(30_000);
  assert.deepEqual([stage.socket.terminated, connection.isConnected], [true, false]);
});

test("frames that are none of the protocol end the socket, and another is opened", async () => {
  const garbage = [
    "",
    "{",
    "null",
    '{"body":{}}',
    '{"body":{"tag":"Init"}}',
    '{"body":{"tag":"ActionResponse","val":{"id":-1}}}',
  ];
  for (const data of [...garbage, new ArrayBuffer(3), { a: 1 }]) {
    const stage = new Stage();
    const connection = await opened(stage);
    const call = connection.exec!("a");
    await settle();
    stage.socket.tell("message", { data });
    await fails(call, "client/connection_lost");
    assert.ok(stage.socket.terminated);
    await stage.clock.advance(250);
    assert.equal(stage.sockets.length, 2);
  }
});

test("answers nobody asked for are ignored, as are events nobody listens to", async () => {
  const stage = new Stage();
  const connection = await opened(stage);
  stage.socket.answer(77, 1);
  stage.socket.fail(78, "user", "x");
  stage.socket.message("Event", { name: "toString", args: [1] });
  stage.socket.init("again");
  assert.equal(connection.connStatus, "connected");
  assert.equal(connection.connectionId, "c1");
});

test("a frame beyond maxMessageSize ends the socket", async () => {
  const stage = new Stage({ maxMessageSize: 1000 });
  const connection = await opened(stage);
  stage.socket.message("Event", { name: "e", args: ["x".repeat(1000)] });
  assert.equal(connection.connStatus, "disconnected");
});

test("dispose fails what is pending, says goodbye, and may be repeated", async () => {
  const stage = new Stage();
  const connection = await opened(stage);
  const [first, second] = [stage.socket, connection.exec!("a")];
  await settle();
  const done = connection.dispose();
  await fails(second, "client/disposed");
  assert.deepEqual(first.closed, { code: 1000, reason: "Disposed" });
  first.end("Disposed", 1000);
  await Promise.all([done, connection.dispose()]);
  await fails(connection.exec!("a"), "client/disposed");
  await stage.clock.advance(60_000);
  assert.deepEqual([stage.sockets.length, stage.clock.waiting], [1, 0]);
});

test("dispose of a connection that opens, or that is lost, leaves nothing behind", async () => {
  const stage = new Stage();
  const connection = stage.vm().connect();
  const done = connection.dispose();
  await stage.clock.advance(2000);
  await done;
  const other = await opened(stage);
  stage.socket.end();
  await other.dispose();
  await stage.clock.advance(60_000);
  assert.deepEqual([stage.sockets.length, stage.clock.waiting], [1, 0]);
});

test("a server that does not say goodbye is left after a while", async () => {
  const stage = new Stage();
  const connection = await opened(stage);
  const done = connection.dispose();
  await stage.clock.advance(2000);
  await done;
  assert.ok(stage.socket.terminated);
});

test("a signal gives a call up wherever it is, and is not sent", async () => {
  const stage = new Stage();
  const connection = stage.vm().connect();
  const [waiting, under, before] = [new AbortController(), new AbortController(), AbortSignal.abort(new Error("no"))];
  const first = connection.exec!("a", { signal: waiting.signal });
  await settle();
  waiting.abort(new Error("enough"));
  await assert.rejects(first, /enough/);
  stage.socket.init();
  const second = connection.exec!("b", { cwd: "/", signal: under.signal });
  await settle();
  under.abort();
  await assert.rejects(second, { name: "AbortError" });
  await assert.rejects(connection.exec!("c", { signal: before }), /no/);
  const args = stage.socket.sent.map(({ val }) => val.args);
  assert.deepEqual(args.slice(0, 1), [["b", { cwd: "/" }]]);
});

test("a listener that throws harms nobody", async () => {
  const stage = new Stage();
  const connection = await opened(stage);
  let heard = 0;
  connection.on("e", () => {
    throw new Error("mine");
  });
  connection.on("e", () => heard++);
  stage.socket.message("Event", { name: "e", args: [] });
  assert.equal(heard, 1);
  assert.match(String(stage.errors[0]), /mine/);
});

test("an actor that is gone is looked for by its key again", async () => {
  const stage = new Stage();
  let ids = 0;
  stage.respond = () => Response.json({ actor: { actor_id: `a${++ids}`, name: "vm" }, created: true });
  const connection = await opened(stage);
  stage.socket.end("ws.going_away");
  await stage.clock.advance(250);
  stage.socket.fail(null, "actor", "not_found");
  stage.socket.end("actor.not_found");
  await stage.clock.advance(500);
  assert.match(stage.socket.url, /gateway\/a2\//);
  stage.socket.init();
  assert.equal(connection.isConnected, true);
});

test("get of an actor that does not exist ends, getForId of one as well", async () => {
  const stage = new Stage();
  stage.respond = () => Response.json({ actors: [] });
  await fails(stage.client.vm!.get("none").connect().exec!("a"), "actor/not_found");
  const connection = stage.client.vm!.getForId("a9").connect();
  await settle();
  stage.socket.fail(null, "actor", "not_found");
  stage.socket.end("actor.not_found");
  await fails(connection.ready, "actor/not_found");
});

test("refusals without effect are repeated, a few times", async () => {
  const stage = new Stage();
  const connection = await opened(stage);
  const call = connection.exec!("a");
  for (const [id, wait] of [
    [0, 25],
    [1, 50],
    [2, 100],
  ] as const) {
    await settle();
    stage.socket.fail(id, "actor", "stopping");
    await stage.clock.advance(wait);
  }
  stage.socket.answer(3, "ok");
  assert.equal(await call, "ok");
  const other = fails(connection.exec!("b"), "guard/service_unavailable");
  for (const id of [4, 5, 6, 7, 8]) {
    await settle();
    stage.socket.fail(id, "guard", "service_unavailable");
    await stage.clock.advance(200);
  }
  await other;
});

test("calls are bounded, and one that cannot be written fails alone", async () => {
  const stage = new Stage();
  const connection = await opened(stage);
  const calls = Array.from({ length: 4096 }, () => connection.exec!("a").catch(() => {}));
  await fails(connection.exec!("b"), "client/overloaded");
  void connection.dispose();
  await Promise.all(calls);
  const other = await opened(stage);
  await fails(
    other.exec!("a", () => {}),
    "client/invalid_argument",
  );
  const cycle: { self?: object } = {};
  cycle.self = cycle;
  await fails(other.exec!("a", cycle), "client/invalid_argument");
  assert.equal(other.isConnected, true);
});

test("listeners of a handle share a connection, which ends with the last", async () => {
  const stage = new Stage();
  const vm = stage.vm();
  const offs = [vm.on("a", () => {}), vm.on("b", () => {})];
  await settle();
  stage.socket.init();
  assert.deepEqual([stage.sockets.length, stage.socket.said.join()], [1, "+a,+b"]);
  offs[0]!();
  assert.equal(stage.socket.closed, undefined);
  offs[1]!();
  assert.deepEqual(stage.socket.closed, { code: 1000, reason: "Disposed" });
  vm.on("a", () => {});
  await settle();
  assert.equal(stage.sockets.length, 2);
  stage.socket.fail(null, "user", "forbidden");
  stage.socket.end("user.forbidden");
  assert.equal((stage.errors[0] as { code: string }).code, "forbidden");
});

test("a client closes all of its connections", async () => {
  const stage = new Stage();
  const connection = await opened(stage);
  stage.vm().on("e", () => {});
  await settle();
  const done = stage.client.dispose();
  await stage.clock.advance(2000);
  await done;
  assert.equal(connection.connStatus, "closed");
  assert.ok(stage.sockets.every((socket) => socket.closed));
});
