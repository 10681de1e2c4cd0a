// Databases of the application's own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { actor, setup } from "rivetkit";
import { agentOs } from "rivetkit/agent-os";
import { createClient } from "rivetkit/client";
import { db } from "rivetkit/db";
import { failure, temporary } from "./support.mjs";

async function local(t, use, dataDir = temporary()) {
  const serving = await setup({ use, dataDir }).listen({ port: 0 });
  t.after(() => serving.close({ drain: false }));
  return { ...serving, client: createClient(serving.url) };
}

test("hooks of VMs have a database that outlives sleep", async (t) => {
  const seen = [];
  const vm = agentOs({
    db: db({}),
    options: { software: ["common"] },
    async onConnect(c, conn) {
      await c.db.execute("CREATE TABLE IF NOT EXISTS visits (who TEXT, bytes BLOB, at INTEGER)");
      await c.db.execute("INSERT INTO visits VALUES (?, ?, ?)", conn.params.who, new Uint8Array([1, 2]), 2n ** 60n);
      seen.push(await c.db.execute("SELECT count(*) AS count FROM visits"));
    },
    async onBeforeAction(c, action, args) {
      if (args[0] === "wrong") await c.db.execute("SELECT nonsense");
      if (args[0] === "rows") seen.push(await c.db.execute("SELECT * FROM visits LIMIT 1"));
    },
  });
  const { client } = await local(t, { vm });
  const as = (who) => client.vm.getOrCreate("d", { params: { who } });
  await as("ann").exec("rows");
  await as("ann").sleepVm();
  await as("bob").exec("true");
  assert.deepEqual(seen[1], [{ who: "ann", bytes: new Uint8Array([1, 2]), at: 2n ** 60n }]);
  assert.deepEqual([seen[0], seen[2], seen[3]], [[{ count: 1 }], [{ count: 2 }], [{ count: 3 }]]);
  const masked = await failure(as("ann").exec("wrong"));
  assert.equal(masked.code, "internal_error");
});

test("actors have one, definitions without db do not", async (t) => {
  const notes = actor({
    db: db(),
    onCreate: (c) => c.db.execute("CREATE TABLE notes (text TEXT)"),
    actions: {
      add: (c, text) => c.db.execute("INSERT INTO notes VALUES (?)", text),
      all: (c) => c.db.execute("SELECT text FROM notes"),
    },
  });
  const none = actor({ actions: { all: (c) => c.db.execute("SELECT 1") } });
  const { client } = await local(t, { notes, none });
  const one = client.notes.getOrCreate("n");
  await one.add("first");
  await one.add("second");
  assert.deepEqual(await one.all(), [{ text: "first" }, { text: "second" }]);
  assert.equal((await failure(client.none.getOrCreate("n").all())).code, "unsupported");
});
