// Sessions of a server's VMs: hooks that hear and decide, and clients that watch.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { UserError, setup } from "rivetkit";
import { agentOs } from "rivetkit/agent-os";
import { createClient } from "rivetkit/client";
import { deferred, failure, serve, temporary } from "./support.mjs";

const AGENT = readFileSync("agents/agent.sh");
const tester = { id: "tester", acpAdapter: "tester-acp", command: ["/home/user/agent.sh"] };

/** A client of a VM of this definition, with the agent in it. */
async function local(t, hooks, config = {}) {
  const vm = agentOs({ options: { software: ["common", tester] }, ...hooks });
  const registry = setup({ use: { vm }, dataDir: temporary(), ...config });
  const serving = await registry.listen({ host: "127.0.0.1", port: 0 });
  t.after(() => serving.close({ drain: false }));
  return install(createClient(serving.url).vm.getOrCreate(["a"]));
}

async function install(vm) {
  await vm.writeFile("/home/user/agent.sh", AGENT);
  await vm.exec("chmod +x agent.sh");
  return vm;
}

const kind = (event) => event.params?.update?.sessionUpdate ?? event.method;

test("a hook hears every event in order, whether or not anybody is connected", async (t) => {
  const heard = [];
  const contexts = new Set();
  const ended = deferred();
  const vm = await local(t, {
    async onSessionEvent(c, sessionId, event) {
      // Slower than the agent.
      await new Promise((resolve) => setImmediate(resolve));
      contexts.add([c.name, c.key.join(), c.conn, typeof c.vm.exec].join("|"));
      heard.push([sessionId, kind(event)]);
      if (event.method === "agentos/prompt_end") ended.resolve();
    },
  });
  const { sessionId } = await vm.createSession("tester");
  assert.equal((await vm.sendPrompt(sessionId, "count 100")).text.split(" ").length, 101);
  await ended.promise;
  const stored = await vm.getEvents(sessionId);
  assert.equal(stored.length, 102);
  assert.deepEqual(heard, stored.map((event) => [sessionId, kind(event)]));
  assert.deepEqual([...contexts], ["vm|a||function"]);
});

test("a hook answers requests, and leaves others to clients", async (t) => {
  const asked = [];
  const vm = await local(t, {
    async onPermissionRequest(c, sessionId, request) {
      asked.push(request.paths[0]);
      if (request.paths[0] === "/home/user/free") await c.respondPermission(sessionId, request.permissionId, "once");
      if (request.paths[0] === "/home/user/broken") throw new Error("hunter2");
    },
  });
  const connection = vm.connect();
  const resolved = [];
  connection.on("permissionResolved", ({ outcome, via }) => resolved.push([outcome, via]));
  connection.on("permissionRequest", ({ sessionId, request }) => {
    // The hook may have been quicker.
    if (request.paths[0] !== "/home/user/free") void vm.respondPermission(sessionId, request.permissionId, "reject");
  });
  const { sessionId } = await connection.createSession("tester");
  for (const [path, answer] of [["free", "written"], ["broken", "refused"], ["other", "refused"]]) {
    assert.equal((await connection.sendPrompt(sessionId, `write /home/user/${path} x`)).text, answer);
  }
  assert.deepEqual(asked, ["/home/user/free", "/home/user/broken", "/home/user/other"]);
  assert.deepEqual(resolved, [["once", "hook"], ["reject", "client"], ["reject", "client"]]);
  assert.equal(await vm.exists("/home/user/free"), true);
  assert.equal(await vm.exists("/home/user/broken"), false);
  await connection.dispose();
});

test("a hook of sessions that does not end has a deadline, and nobody waits for it", async (t) => {
  const heard = [];
  const aware = deferred();
  const vm = await local(
    t,
    {
      onSessionEvent(c, sessionId, event) {
        heard.push(kind(event));
        if (heard.length === 1) return new Promise(() => {});
        if (kind(event) === "agentos/prompt_end") aware.resolve();
      },
      onPermissionRequest: () => new Promise(() => {}),
    },
    { limits: { hookTimeoutMs: 300 } },
  );
  const { sessionId } = await vm.createSession("tester");
  const running = vm.sendPrompt(sessionId, "write /home/user/x y");
  let pending = [];
  while (pending.length === 0) pending = await vm.listPendingPermissions(sessionId);
  await vm.respondPermission(sessionId, pending[0].permissionId, "once");
  assert.equal((await running).text, "written");
  // The events that came meanwhile are told after the deadline of the first.
  await aware.promise;
  assert.deepEqual(heard, (await vm.getEvents(sessionId)).map(kind));
});

test("errors of hooks of sessions are in the log, under their names", async (t) => {
  const { client, printed } = await serve(t, "fixtures/sessions.mjs");
  const vm = await install(client.vm.getOrCreate(["s"]));
  const { sessionId } = await vm.createSession("tester");
  const running = vm.sendPrompt(sessionId, "write /home/user/x y");
  await printed(/onSessionEvent of "vm": Error: from the event/);
  await printed(/onPermissionRequest of "vm": Error: from the request/);
  await printed(/onPermissionRequest failed; the request waits for a client/);
  await printed(/unhandled rejection in onSessionEvent: Error: left behind/);
  const [{ permissionId }] = await vm.listPendingPermissions();
  await vm.respondPermission(sessionId, permissionId, "once");
  const { text, response } = await running;
  assert.equal(text, "written");
  assert.equal(response.error, undefined);
});

test("sessions outlive sleep", async (t) => {
  const vm = await local(t, {});
  const { sessionId } = await vm.createSession("tester", { permissionPolicy: "allow_all" });
  await vm.sendPrompt(sessionId, "one");
  const events = await vm.getSequencedEvents(sessionId);
  await vm.sleepVm();
  assert.equal((await vm.getSession(sessionId)).status, "suspended");
  assert.deepEqual(await vm.getSequencedEvents(sessionId), events);
  assert.equal((await vm.vmStatus()).state, "asleep");
  assert.equal((await vm.sendPrompt(sessionId, "write /home/user/after x")).text, "written");
  assert.deepEqual((await vm.listPersistedSessions()).map((session) => session.sessionId), [sessionId]);
  await vm.destroySession(sessionId);
  assert.equal((await failure(vm.getSession(sessionId))).code, "session_not_found");
});

test("who may prompt is for onBeforeAction to say", async (t) => {
  const vm = await local(t, {
    onBeforeAction(_, action, args) {
      if (action === "sendPrompt" && args[1] === "forbidden") throw new UserError("Not that", { code: "not_that" });
    },
  });
  const { sessionId } = await vm.createSession("tester");
  assert.equal((await failure(vm.sendPrompt(sessionId, "forbidden"))).code, "not_that");
  assert.equal((await vm.sendPrompt(sessionId, "allowed")).text, "allowed");
});
