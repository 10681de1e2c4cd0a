// Hooks: what they are told, what they decide, and what becomes of their errors.
import assert from "node:assert/strict";
import { test } from "node:test";
import { UserError, setup } from "rivetkit";
import { agentOs } from "rivetkit/agent-os";
import { createClient } from "rivetkit/client";
import { deferred, failure, serve, temporary } from "./support.mjs";

/** Serves definitions in this process for as long as the test runs. */
async function local(t, use, config = {}) {
  const registry = setup({ use, dataDir: temporary(), ...config });
  const serving = await registry.listen({ host: "127.0.0.1", port: 0 });
  t.after(() => serving.close({ drain: false }));
  return { ...serving, client: createClient(serving.url) };
}

const software = ["common"];

test("the life of a connection", async (t) => {
  const seen = [];
  const gone = deferred();
  const vm = agentOs({
    options: { software },
    onBeforeConnect(c, params) {
      seen.push(["onBeforeConnect", c.name, c.key, params, c.request.method, c.conn]);
      assert.equal(c.request.headers.get("x-test"), null);
    },
    createConnState: (c, params) => ({ user: params.user, actions: 0 }),
    async onConnect(c, conn) {
      assert.equal(conn, c.conn);
      await c.vm.writeFile("/home/user/greeting", `hello ${conn.state.user}`);
      seen.push(["onConnect", conn.state]);
    },
    onBeforeAction(c, action, args) {
      c.conn.state.actions += 1;
      if (action === "exec" && args[0] === "forbidden") throw new UserError("Not that", { code: "not_that", metadata: { n: 1 } });
    },
    onDisconnect(c, conn) {
      gone.resolve(conn.state);
    },
  });
  const { client } = await local(t, { vm });
  const connection = client.vm.getOrCreate(["a", "b"], { params: { user: "ann" } }).connect();
  assert.equal((await connection.exec("cat greeting")).stdout, "hello ann");
  const error = await failure(connection.exec("forbidden"));
  assert.deepEqual([error.group, error.code, error.message, error.metadata], ["user", "not_that", "Not that", { n: 1 }]);
  assert.ok(error instanceof UserError);
  await connection.dispose();
  assert.deepEqual(await gone.promise, { user: "ann", actions: 2 });
  assert.deepEqual(seen, [
    ["onBeforeConnect", "vm", ["a", "b"], { user: "ann" }, "GET", undefined],
    ["onConnect", { user: "ann", actions: 0 }],
  ]);
});

test("events are filtered, and sent to one connection alone", async (t) => {
  const vm = agentOs({
    options: { software },
    createConnState: (c, params) => ({ quiet: params?.quiet === true }),
    canReceive: (c, event, payload) => !(c.conn.state.quiet && event === "processExit"),
    onBeforeAction(c, action) {
      if (action === "listProcesses") c.conn.send("greeting", { to: c.conn.id }, 5);
    },
  });
  const { client } = await local(t, { vm });
  const [loud, quiet] = [undefined, { quiet: true }].map((params) => client.vm.getOrCreate(["e"], { params }).connect());
  const exits = [];
  quiet.on("processExit", () => exits.push("quiet"));
  const greeted = deferred();
  quiet.on("greeting", (...args) => greeted.resolve(args));
  await quiet.listProcesses();
  const [{ to }, five] = await greeted.promise;
  assert.equal(typeof to, "string");
  assert.equal(five, 5);
  const heard = deferred();
  loud.on("processExit", heard.resolve);
  await loud.vmStatus();
  await loud.spawn("true", []);
  await heard.promise;
  // Answered after whatever was emitted before.
  await quiet.vmStatus();
  assert.deepEqual(exits, []);
  await Promise.all([loud.dispose(), quiet.dispose()]);
});

test("options are made for each VM", async (t) => {
  const vm = agentOs({
    options: async ({ key, input }) => ({ software, env: { WHO: key.join("+"), INPUT: String(input?.n) } }),
  });
  const { client } = await local(t, { vm });
  const one = client.vm.getOrCreate(["x", "y"], { input: { n: 7 } });
  assert.equal((await one.exec("echo $WHO $INPUT")).stdout, "x+y 7\n");

  const wrong = agentOs({ options: () => ({ software: ["nothing"] }) });
  const { client: other } = await local(t, { vm: wrong });
  const error = await failure(other.vm.getOrCreate("z").exec("true"));
  assert.equal(error.group, "agentos");
  assert.match(error.message, /options.software\[0\]/);
});

test("the audit trail", async (t) => {
  const created = deferred();
  const vm = agentOs({
    options: { software },
    onAuditEvent(c, entry) {
      if (entry.event === "security.vm.created") created.resolve([c.key, c.name, entry.actorId === c.actorId]);
    },
  });
  const { client } = await local(t, { vm });
  await client.vm.getOrCreate(["audited"]).exec("true");
  assert.deepEqual(await created.promise, [["audited"], "vm", true]);
});

test("a hook that does not end refuses, and harms nobody else", async (t) => {
  const vm = agentOs({
    options: { software },
    onBeforeConnect: (c, params) => (params === "wait" ? new Promise(() => {}) : undefined),
  });
  const { client } = await local(t, { vm }, { limits: { hookTimeoutMs: 5000 } });
  const waiting = failure(client.vm.getOrCreate(["h"], { params: "wait" }).exec("true"));
  assert.equal((await client.vm.getOrCreate(["h"], { params: "go" }).exec("echo on")).stdout, "on\n");
  assert.equal((await waiting).code, "auth_timeout");
});

test("errors of hooks are masked for clients and named in the log", async (t) => {
  const { client, printed } = await serve(t, "fixtures/throwing.mjs");
  const vm = client.vm.getOrCreate(["t"]);
  const error = await failure(vm.exec("boom"));
  assert.equal(error.code, "internal_error");
  assert.ok(!JSON.stringify(error).includes("hunter2"));
  await printed(new RegExp(error.metadata.correlationId));
  await printed(/onBeforeAction of "vm": Error: hunter2/);
  await vm.exec("reject");
  await printed(/unhandled rejection in onBeforeAction: Error: left behind/);
  await failure(vm.exec("circular"));
  assert.equal((await vm.exec("echo alive")).stdout, "alive\n");
});
