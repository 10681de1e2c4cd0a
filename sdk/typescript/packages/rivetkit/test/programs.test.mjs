// The three documented programs, verbatim, as processes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "rivetkit/client";
import { GROW, failure, hostServer, serve } from "./support.mjs";

test("the program with limits: they bind", async (t) => {
  const { client } = await serve(t, "programs/limits.js");
  const vm = client.vm.getOrCreate(["limits"]);

  await t.test("the 65th process", async () => {
    // The shell itself and 63 more.
    const { stderr } = await vm.exec("while :; do sleep 1000 >/dev/null 2>&1 & done");
    assert.match(stderr, /fork: Resource temporarily unavailable/);
    const running = async () => (await vm.allProcesses()).filter(({ status }) => status === "running").length;
    assert.equal(await running(), 63);
    const { pid } = await vm.spawn("sleep", ["1000"]);
    assert.equal(await running(), 64);
    const refused = await failure(vm.exec("true"));
    assert.deepEqual([refused.metadata.limit, refused.metadata.capacity, refused.metadata.errno], ["maxProcesses", 64, "EAGAIN"]);
    await vm.killProcess(pid);
    await vm.waitProcess(pid);
    await vm.exec("pkill sleep");
  });

  await t.test("the byte after 512 MiB", async () => {
    const { stdout, stderr } = await vm.exec("head -c 600000000 /dev/zero > /tmp/large; wc -c < /tmp/large");
    assert.match(stderr, /No space left on device/);
    const size = Number(stdout);
    // Names and inodes count as well.
    assert.ok(size <= 512 * 1024 * 1024 && size > 511 * 1024 * 1024, stdout);
    const { stderr: next } = await vm.exec("head -c 65536 /dev/zero > /tmp/more");
    assert.match(next, /No space left on device/);
    const full = await failure(vm.writeFile("/tmp/another", new Uint8Array(65536)));
    assert.ok(full.code === "ENOSPC" || full.metadata.errno === "ENOSPC", String(full));
    await vm.deleteFile("/tmp/large");
    await vm.writeFile("/tmp/another", new Uint8Array(65536));
  });

  await t.test("WebAssembly memory stops at 256 MiB", async () => {
    await vm.writeFile("/home/user/grow", GROW);
    const { exitCode } = await vm.exec("chmod +x grow && ./grow");
    assert.equal(exitCode * 4, 256);
  });

  await t.test("pi is declared, and a session says what is missing", async () => {
    const agents = await vm.listAgents();
    assert.deepEqual(agents.filter(({ id }) => id === "pi").map(({ installed }) => installed), [false]);
    const error = await failure(vm.createSession("pi"));
    assert.equal(`${error.group}/${error.code}`, "agentos/agent_not_installed");
    assert.match(error.message, /pi-acp/);
    const unknown = await failure(vm.createSession("po"));
    assert.equal(unknown.code, "agent_not_installed");
    assert.equal((await vm.exec("echo fine")).stdout, "fine\n");
  });
});

test("the program with exempt ports: those are reached and no others", async (t) => {
  await hostServer(t, "eighty", 8080);
  await hostServer(t, "three", 3000);
  const closed = await hostServer(t, "secret");
  const { client } = await serve(t, "programs/ports.js");
  const vm = client.vm.getOrCreate(["ports"]);
  const get = (port) => vm.exec(`curl -sS --max-time 20 http://127.0.0.1:${port}/`);
  assert.equal((await get(8080)).stdout, "eighty");
  assert.equal((await get(3000)).stdout, "three");
  const refused = await get(closed);
  assert.notEqual(refused.exitCode, 0);
  assert.equal(refused.stdout, "");
});

test("the program with a token: only the right one is let in", async (t) => {
  const { client, url } = await serve(t, "programs/auth.js");
  const vm = (params, key) => client.vm.getOrCreate([key], { params });
  const good = vm({ authToken: "valid-token" }, "good");
  assert.equal((await good.exec("echo in")).stdout, "in\n");
  const connection = good.connect();
  assert.equal((await connection.exec("echo in")).stdout, "in\n");
  await connection.dispose();

  for (const params of [{ authToken: "other" }, { authToken: "" }]) {
    const error = await failure(vm(params, "bad").exec("echo in"));
    assert.deepEqual([error.group, error.code, error.message], ["user", "forbidden", "Forbidden"]);
  }
  const missing = await failure(client.vm.getOrCreate(["none"]).exec("echo in"));
  assert.equal(`${missing.group}/${missing.code}`, "internal/internal_error");
  assert.match(missing.metadata.correlationId, /^[0-9a-f]{32}$/);

  await t.test("over a connection, too", async () => {
    const refused = createClient(url).vm.getOrCreate(["bad"], { params: { authToken: "other" } }).connect();
    const error = await new Promise((resolve) => refused.onError(resolve));
    assert.deepEqual([error.code, error.message], ["forbidden", "Forbidden"]);
    await refused.dispose();
  });
});
