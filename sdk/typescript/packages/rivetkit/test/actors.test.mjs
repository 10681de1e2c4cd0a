// Actors whose code is JavaScript.
import assert from "node:assert/strict";
import { test } from "node:test";
import { UserError, actor, setup } from "rivetkit";
import { createClient } from "rivetkit/client";
import { deferred, failure, temporary } from "./support.mjs";

const life = [];
const counter = actor({
  createState: (c, input) => ({ count: input?.start ?? 0, since: new Date(0), bytes: new Uint8Array([1, 2]) }),
  createConnState: (c, params) => ({ user: params?.user ?? "nobody" }),
  onCreate: (c) => life.push(["create", c.key]),
  onWake: (c) => life.push(["wake", c.state.count]),
  onSleep: (c) => life.push(["sleep", c.state.count]),
  onDestroy: (c) => life.push(["destroy", c.state.count]),
  actions: {
    increment(c, by = 1) {
      c.state.count += by;
      c.broadcast("changed", c.state.count);
      return c.state.count;
    },
    async slow(c, by) {
      const before = c.state.count;
      await new Promise((resolve) => setTimeout(resolve, 5));
      c.state.count += by;
      return before;
    },
    get: (c) => c.state,
    whoami: (c) => [c.conn.state.user, c.conns.has(c.conn.id)],
    later: (c, ms, by) => c.schedule.after(ms, "increment", by),
    scheduled: (c) => c.schedule.list(),
    refuse() {
      throw new UserError("No", { code: "no" });
    },
    fail() {
      throw new Error("hunter2");
    },
    functions: () => ({ not: () => "data" }),
    sleep: (c) => c.sleep(),
    destroy: (c) => c.destroy(),
  },
});

async function serving(t, dataDir = temporary()) {
  const registry = setup({ use: { counter }, dataDir });
  const serving = await registry.listen({ port: 0 });
  t.after(() => serving.close({ drain: false }));
  return { ...serving, client: createClient(serving.url) };
}

test("state is kept over sleep and over restarts", async (t) => {
  const dataDir = temporary();
  const first = await serving(t, dataDir);
  const one = first.client.counter.getOrCreate(["kept"], { input: { start: 5 } });
  assert.equal(await one.increment(2), 7);
  await Promise.all([one.slow(1), one.slow(1), one.increment()]);
  assert.deepEqual(await one.get(), { count: 10, since: new Date(0), bytes: new Uint8Array([1, 2]) });
  await one.sleep();
  assert.equal(await one.increment(), 11);
  await first.close({ drain: true });
  const second = await serving(t, dataDir);
  const again = second.client.counter.getOrCreate(["kept"]);
  assert.equal((await again.get()).count, 11);
  assert.deepEqual(life.slice(0, 4), [["create", ["kept"]], ["wake", 5], ["sleep", 10], ["wake", 10]]);
});

test("events, connections, schedules", async (t) => {
  const { client } = await serving(t);
  const connection = client.counter.getOrCreate(["events"], { params: { user: "ann" } }).connect();
  assert.deepEqual(await connection.whoami(), ["ann", true]);
  const changes = [];
  const third = deferred();
  connection.on("changed", (count) => {
    changes.push(count);
    if (changes.length === 3) third.resolve();
  });
  assert.equal(await connection.increment(), 1);
  assert.deepEqual(changes, [1]);
  await connection.later(60_000, 1);
  assert.equal((await connection.scheduled())[0].action, "increment");
  await connection.later(1, 10);
  await connection.increment(100);
  await third.promise;
  assert.equal(changes[2], 111);
  await connection.dispose();
});

test("errors", async (t) => {
  const { client } = await serving(t);
  const handle = client.counter.getOrCreate(["errors"]);
  assert.equal((await failure(handle.refuse())).code, "no");
  for (const action of ["fail", "functions"]) {
    const masked = await failure(handle[action]());
    assert.equal(masked.code, "internal_error");
    assert.ok(!JSON.stringify(masked).includes("hunter2"));
  }
  assert.equal((await failure(handle.nothing())).code, "action_not_found");
  assert.equal(await handle.increment(), 1);
});

test("destroy", async (t) => {
  const { client } = await serving(t);
  const handle = client.counter.getOrCreate(["gone"]);
  await handle.increment(41);
  const id = await handle.resolve();
  await handle.destroy();
  const gone = client.counter.getForId(id);
  while (true) {
    const error = await gone.get().then(() => undefined, (error) => error);
    if (error?.group === "actor") break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(await client.counter.getOrCreate(["gone"]).increment(), 1);
});
