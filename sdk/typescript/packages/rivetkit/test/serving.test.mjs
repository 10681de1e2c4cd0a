// How a registry begins and ends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setup } from "rivetkit";
import { agentOs } from "rivetkit/agent-os";
import { failure, hostServer, run, serve, temporary } from "./support.mjs";

test("start() ends the process when it cannot listen", async (t) => {
  const taken = await hostServer(t, "mine");
  const { code, stderr } = await run("programs/ports.js", { env: { AGENTOS_PORT: String(taken) } }).ended;
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`agentos: .*${taken}.*AGENTOS_PORT`));
});

test("listen() says of a port in use which one it is and what to do", async (t) => {
  const port = await hostServer(t, "mine");
  const registry = setup({ use: { vm: agentOs() }, dataDir: temporary() });
  const error = await failure(registry.listen({ port }));
  assert.deepEqual([error.group, error.code, error.metadata.path], ["agentos", "listen_failed", "port"]);
  assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}: .*in use.*; choose another one with listen`));
  // Nothing is left of the attempt.
  const serving = await registry.listen({ port: 0 });
  await serving.close();
});

test("start() says when the data directory is in use", async (t) => {
  const directory = temporary();
  await serve(t, "programs/ports.js", { env: { AGENTOS_DATA_DIR: directory } });
  const { code, stderr } = await run("programs/ports.js", { env: { AGENTOS_DATA_DIR: directory } }).ended;
  assert.equal(code, 1);
  assert.match(stderr, /agentos: dataDir/);
});

test("SIGTERM drains: what was written is there at the next start", async (t) => {
  const env = { AGENTOS_DATA_DIR: temporary() };
  const first = await serve(t, "programs/ports.js", { env });
  await first.client.vm.getOrCreate("kept").writeFile("/home/user/kept", "kept");
  first.child.kill("SIGTERM");
  assert.equal((await first.ended).code, 0);
  const second = await serve(t, "programs/ports.js", { env });
  const kept = await second.client.vm.getOrCreate("kept").readFile("/home/user/kept");
  assert.equal(new TextDecoder().decode(kept), "kept");
});

test("a registry that was closed keeps no process, and can serve again", async () => {
  const { code, stdout, stderr } = await run("fixtures/closing.mjs").ended;
  assert.equal(code, 0, stderr);
  assert.deepEqual(stdout.split(/\s+/).filter(Boolean), ["worked", "invalid_state", "closed", "true", "true", "again"]);
});

test("a process may end while work is in flight", async () => {
  const { code, stderr } = await run("fixtures/exiting.mjs").ended;
  assert.equal(code, 7, stderr);
});

test("a worker thread that is terminated takes its registry with it, and nothing else", async () => {
  const { code, stdout, stderr } = await run("fixtures/worker.mjs").ended;
  assert.equal(code, 0, stderr);
  assert.deepEqual(stdout.trim().split("\n"), ["served", "served", "served", "done"]);
});

test("listening beyond loopback needs somebody who authenticates", async (t) => {
  const open = setup({ use: { vm: agentOs() }, dataDir: temporary() });
  const error = await failure(open.listen({ host: "0.0.0.0", port: 0 }));
  assert.match(error.message, /definition "vm" has no onBeforeConnect and no token is set/);
  const guarded = setup({ use: { vm: agentOs({ onBeforeConnect() {} }) }, dataDir: temporary() });
  const serving = await guarded.listen({ host: "0.0.0.0", port: 0 });
  t.after(() => serving.close());
  for (const [options, path] of [
    [{ port: 70000 }, "port"],
    [{ prot: 5 }, "listen.prot"],
    [{ host: "nowhere.invalid" }, "host"],
    [{ host: 5 }, "listen.host"],
    [null, "listen(options)"],
    [6420, "listen(options)"],
  ]) {
    const wrong = await failure(setup({ use: { vm: agentOs() }, dataDir: temporary() }).listen(options));
    assert.equal(wrong.code, "invalid_config");
    assert.equal(wrong.metadata.path, path);
  }
});
