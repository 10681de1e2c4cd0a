// The client and `agentos serve`: actions, events, errors, and what happens when the server goes away.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createClient } from "../../dist/index.js";
import type { ClientOptions, Encoding, HandleOf, RegistryTypes, VmDefinitionTypes } from "../../dist/index.js";
import { Server } from "../support/agentos.js";
import { fails } from "../support/fake.js";

type Registry = RegistryTypes<{ vm: VmDefinitionTypes }>;
type Vm = HandleOf<VmDefinitionTypes>;

// A drain that waits for what runs waits no longer than this.
const server = new Server('[vms.vm]\nsoftware = ["common"]\nsleep = { shutdownBudgetMs = 200 }\n');
const clients: { dispose(): Promise<void> }[] = [];
let keys = 0;

before(() => server.start());
after(async () => {
  await Promise.all(clients.map((client) => client.dispose()));
  await server.remove();
});

function clientOf(options: ClientOptions = {}) {
  const client = createClient<Registry>({ endpoint: server.url, ...options });
  clients.push(client);
  return client;
}

function vmOf(options: ClientOptions = {}): Vm {
  return clientOf(options).vm.getOrCreate(["test", String(++keys)]);
}

/** Resolves with the first value that passes. */
function first<T>(
  subscribe: (listener: (value: T) => void) => () => void,
  passes: (value: T) => boolean = () => true,
): Promise<T> {
  return new Promise((resolve) => {
    const off = subscribe((value) => {
      if (!passes(value)) return;
      off();
      resolve(value);
    });
  });
}

for (const encoding of ["bare", "json", "cbor"] as Encoding[]) {
  test(`files, processes and errors in ${encoding}`, async () => {
    const vm = vmOf({ encoding });
    const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index * 7);
    await vm.writeFile("/home/user/a.bin", bytes);
    assert.deepEqual(await vm.readFile("/home/user/a.bin"), bytes);
    assert.deepEqual(await vm.readFile("/home/user/a.bin", { offset: 1, length: 2 }), bytes.slice(1, 3));
    assert.deepEqual(await vm.writeFiles([{ path: "/home/user/d/b", content: "hé" }]), [
      { path: "/home/user/d/b", success: true },
    ]);
    const [good, bad] = await vm.readFiles(["/home/user/d/b", "/none"]);
    assert.equal(new TextDecoder().decode(good!.content!), "hé");
    assert.deepEqual([bad!.content, bad!.code], [null, "ENOENT"]);
    assert.deepEqual(await vm.readdir("/home/user"), ["a.bin", "d"]);
    const stat = await vm.stat("/home/user/a.bin");
    assert.deepEqual([stat.size, stat.isDirectory, typeof stat.mtimeMs], [100_000, false, "number"]);
    await vm.move("/home/user/a.bin", "/home/user/c.bin");
    assert.deepEqual([await vm.exists("/home/user/a.bin"), await vm.exists("/home/user/c.bin")], [false, true]);
    await vm.deleteFile("/home/user/d", { recursive: true });

    const done = await vm.exec("cat; echo err >&2; exit 3", { stdin: "in" });
    assert.deepEqual({ ...done }, { exitCode: 3, stdout: "in", stderr: "err\n" });
    const raw = await vm.exec("printf '\\377'", { encoding: "buffer" });
    assert.deepEqual(raw.stdout, new Uint8Array([255]));
    assert.equal((await vm.policy.explain("fs", "read", "/home/user/a")).decision, "allow");
    assert.equal((await vm.vmStatus()).state, "ready");

    const error = await fails(vm.stat("/none"), "agentos/ENOENT");
    assert.deepEqual([error.metadata.path, error.metadata.syscall], ["/none", "stat"]);
    await fails(vm.exec(5 as never), "agentos/invalid_argument");
    await fails(vm.action({ name: "no.such" }), "actor/action_not_found");
    await fails(vm.getProcess(4711), "agentos/process_not_found");
    await fails(
      vm.scheduleCron({ schedule: "nonsense", action: { type: "exec", command: "ls" } }),
      "agentos/invalid_schedule",
    );
  });

  test(`events in ${encoding}, in order, before the end`, async () => {
    const vm = vmOf({ encoding });
    const connection = vm.connect();
    const log: string[] = [];
    let pid = 0;
    connection.on("processOutput", (event) => log.push(new TextDecoder().decode(event.data)));
    const exit = first<{ pid: number; exitCode: number }>((listener) => connection.on("processExit", listener));
    ({ pid } = await connection.spawn("sh", ["-c", "echo one; read line; echo $line; exit 4"]));
    await connection.writeProcessStdin(pid, "two\n");
    assert.deepEqual((({ pid, exitCode }) => ({ pid, exitCode }))(await exit), { pid, exitCode: 4 });
    // How the output is cut into events is a matter of time.
    assert.equal(log.join(""), "one\ntwo\n");
    const { stdout, stderr, complete } = await connection.getProcessLog(pid);
    assert.deepEqual([new TextDecoder().decode(stdout.head), stdout.discarded, stderr.head.length, complete], ["one\ntwo\n", 0, 0, true]);

    const shell = first<{ data: Uint8Array }>(
      (listener) => vm.on("shellData", listener),
      ({ data }) => new TextDecoder().decode(data).includes("42"),
    );
    // The handle's shared connection has no answer to a subscription: it is there once it has answered anything.
    const { shellId } = await connection.openShell({ cols: 100 });
    const ended = first((listener) => connection.on("shellExit", listener));
    const typing = setInterval(() => void vm.writeShell(shellId, "echo $((6*7))\n").catch(() => {}), 200);
    await shell;
    clearInterval(typing);
    await connection.closeShell(shellId);
    await ended;
    await connection.dispose();
  });
}

test("a call that is given up, and one over time", async () => {
  const vm = vmOf();
  const controller = new AbortController();
  const call = vm.exec("sleep 1000", { signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(call, /enough/);
  await fails(vm.action({ name: "exec", args: ["sleep 1000"], timeoutMs: 300 }), "client/timed_out");
  const connection = vm.connect();
  await fails(connection.action({ name: "exec", args: ["sleep 1000"], timeoutMs: 300 }), "client/timed_out");
  assert.equal((await connection.exec("echo still")).stdout, "still\n");
});

test("by id, by key, made and taken", async () => {
  const client = clientOf();
  const made = await client.vm.create(["one", "of", "its", "own"]);
  const id = await made.resolve();
  assert.equal(await client.vm.get(["one", "of", "its", "own"]).resolve(), id);
  assert.equal((await client.vm.getForId(id).exec("echo hi")).stdout, "hi\n");
  await fails(client.vm.create(["one", "of", "its", "own"]), "actor/duplicate_key");
  await fails(client.vm.get("nobody").vmStatus(), "actor/not_found");
  await fails(client.vm.getForId("zzz").vmStatus(), "actor/not_found");
  const unknown = createClient(server.url).other!;
  await fails(unknown.getOrCreate("k").exec!("ls"), "actor/not_registered");
  await fails(unknown.getOrCreate("k").connect().exec!("ls"), "actor/not_registered");
});

test("a preview's address is the gateway's with its path", async () => {
  const vm = vmOf();
  const preview = await vm.createSignedPreviewUrl(8080, 60);
  const response = await fetch(`${await vm.getGatewayUrl()}${preview.path}/`);
  assert.equal(
    (await response.text()).includes("no_listener") || response.status === 502,
    true,
    String(response.status),
  );
  assert.equal((await vm.fetch(`${preview.path.replace(/^\/request/, "")}/`)).status, response.status);
});

test("a VM that is destroyed ends its connections; the key leads to a new one", async () => {
  const vm = vmOf();
  const connection = vm.connect();
  const closed = first<{ reason: string; reconnecting: boolean }>((listener) => connection.onClose(listener));
  const id = await vm.resolve();
  await connection.ready;
  await vm.destroyVm();
  const { reason, reconnecting } = await closed;
  assert.deepEqual([reason, reconnecting], ["actor.destroyed", false]);
  assert.equal((await vm.exec("echo new")).stdout, "new\n");
  assert.notEqual(await vm.resolve(), id);
});

for (const signal of ["SIGKILL", "SIGTERM"] as const) {
  test(`the server ends with ${signal} and comes back: so do connections, files and subscriptions`, async () => {
    const vm = vmOf();
    const connection = vm.connect();
    const exits: number[] = [];
    connection.on("processExit", ({ exitCode }) => exits.push(exitCode));
    await connection.writeFile("/home/user/kept", "kept");
    const lost = first<{ reconnecting: boolean }>((listener) => connection.onClose(listener));
    const running = connection.exec("sleep 1000");
    running.catch(() => {});
    await server.stop(signal);
    assert.equal((await lost).reconnecting, true);
    // A drain may let the call end by itself; it ends in any case.
    if (signal === "SIGKILL") await fails(running, "client/connection_lost");
    else await running.catch(() => {});
    await fails(vm.vmStatus(), "client/unreachable");
    const waiting = connection.readFile("/home/user/kept");
    const back = first<{ gap?: object }>((listener) => connection.onOpen(listener));
    await server.start();
    assert.equal(new TextDecoder().decode(await waiting), "kept");
    assert.ok((await back).gap);
    const exit = first((listener) => connection.on("processExit", listener));
    await connection.spawn("sh", ["-c", "exit 5"]);
    await exit;
    assert.deepEqual(exits, [5]);
    assert.equal((await vm.exec("cat kept")).stdout, "kept");
  });
}
