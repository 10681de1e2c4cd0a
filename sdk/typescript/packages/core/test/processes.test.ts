import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { AgentOs } from "@agentos/core";
import { deferred, failsWith, text } from "./support.js";

let vm: AgentOs;
before(async () => {
  vm = await AgentOs.create({ software: ["common"] });
});
after(() => vm.dispose());

test("commands run with input, variables, directory and encoding", async () => {
  assert.deepEqual(await vm.exec("echo hello"), { exitCode: 0, stdout: "hello\n", stderr: "" });
  const result = await vm.exec("cat; echo $NAME; pwd; echo oops >&2; exit 4", { stdin: "in ", env: { NAME: "n" }, cwd: "/tmp" });
  assert.deepEqual(result, { exitCode: 4, stdout: "in n\n/tmp\n", stderr: "oops\n" });
  const bytes = await vm.exec("printf '\\377'", { encoding: "buffer" });
  assert.deepEqual([...bytes.stdout], [255]);
  assert.equal((await vm.exec("echo x", { captureStdio: false })).stdout, "");
  assert.equal((await vm.execArgv(["echo", "a b", "$HOME"])).stdout, "a b $HOME\n");
  assert.equal((await vm.execArgv(["cat"], { stdin: new Uint8Array([104, 105]) })).stdout, "hi");
  await failsWith(vm.execArgv(["no-such-program"]), "ENOENT", /command not found: no-such-program/);
  await failsWith(vm.exec("true", { tiemout: 5 } as object), "invalid_argument", /did you mean timeout/);
});

test("output is shown as it comes, before the call ends", async () => {
  const seen: string[] = [];
  const { promise: first, resolve } = deferred<void>();
  const running = vm.exec("echo one; echo err >&2; read x; echo two", {
    onStdout: (data) => {
      seen.push(`out ${text(data)}`);
      resolve();
    },
    onStderr: (data) => seen.push(`err ${text(data)}`),
  });
  await first;
  const result = await running;
  assert.equal(result.stdout, "one\ntwo\n");
  assert.equal(seen.filter((line) => line.startsWith("out")).map((line) => line.slice(4)).join(""), "one\ntwo\n");
  assert.ok(seen.includes("err err\n"));
});

test("a command that writes without end leaves the event loop alone", async () => {
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 1);
  const abort = new AbortController();
  let bytes = 0;
  const running = vm.exec("yes", {
    signal: abort.signal,
    onStdout: (data) => {
      bytes += data.length;
      if (bytes > 8 * 2 ** 20 && ticks > 2) abort.abort(new Error("enough"));
    },
  });
  await assert.rejects(running, /enough/);
  clearInterval(timer);
});

test("an aborted command ends in the VM", async () => {
  const abort = new AbortController();
  const running = vm.exec("sleep 1000", { signal: abort.signal });
  abort.abort();
  await assert.rejects(running, { name: "AbortError" });
  while ((await vm.allProcesses()).some((process) => process.command.includes("sleep") && process.exitCode === null));
  await assert.rejects(vm.exec("true", { signal: abort.signal }), { name: "AbortError" });
});

test("a command that takes too long is ended", async () => {
  const result = await vm.exec("echo begun; sleep 1000", { timeout: 50 });
  assert.equal(result.exitCode, 124);
  assert.equal(result.timedOut, true);
});

test("spawn gives its number at once, output and end as they come", async () => {
  const { pid } = vm.spawn("sh", ["-c", "read line; echo got $line; echo bad >&2; exit 3"]);
  const out: string[] = [];
  const err: string[] = [];
  vm.onProcessStdout(pid, (data) => out.push(text(data)));
  vm.onProcessStderr(pid, (data) => err.push(text(data)));
  assert.equal((await vm.getProcess(pid)).running, true);
  assert.ok((await vm.processTree()).some((node) => node.pid === pid));
  await vm.writeProcessStdin(pid, "it\n");
  await vm.closeProcessStdin(pid);
  assert.equal(await vm.waitProcess(pid), 3);
  assert.equal(out.join(""), "got it\n");
  assert.equal(err.join(""), "bad\n");
  const { promise, resolve } = deferred<number>();
  vm.onProcessExit(pid, resolve);
  assert.equal(await promise, 3);
  assert.ok((await vm.listProcesses()).some((one) => one.pid === pid && one.exitCode === 3));
});

test("output before the first listener is kept", async () => {
  const { pid } = vm.spawn("sh", ["-c", "echo early"]);
  await vm.waitProcess(pid);
  const out: string[] = [];
  vm.onProcessStdout(pid, (data) => out.push(text(data)));
  assert.equal(out.join(""), "early\n");
});

test("a program that cannot be started ends with 127 or 126", async () => {
  const { pid } = vm.spawn("no-such-program", ["x"]);
  const said: string[] = [];
  vm.onProcessStderr(pid, (data) => said.push(text(data)));
  assert.equal(await vm.waitProcess(pid), 127);
  assert.match(said.join(""), /command not found: no-such-program/);
  await vm.writeFile("/home/user/data", "not a program");
  assert.equal(await vm.waitProcess(vm.spawn("/home/user/data").pid), 126);
  await vm.killProcess(pid);
  assert.equal((await vm.getProcess(pid)).exitCode, 127);
  assert.throws(() => vm.spawn(5 as never), { code: "invalid_argument" });
});

test("signals end processes", async () => {
  const stopped = vm.spawn("sleep", ["1000"]).pid;
  await vm.stopProcess(stopped);
  assert.equal(await vm.waitProcess(stopped), 128 + 15);
  const killed = vm.spawn("sleep", ["1000"]).pid;
  await vm.killProcess(killed);
  assert.equal(await vm.waitProcess(killed), 128 + 9);
  const hung = vm.spawn("sleep", ["1000"]).pid;
  await vm.signalProcess(hung, "SIGHUP");
  assert.equal(await vm.waitProcess(hung), 128 + 1);
  await failsWith(vm.signalProcess(hung, "SIGNONE"), "invalid_argument");
  await failsWith(vm.killProcess(99_999), "process_not_found");
  assert.throws(() => vm.onProcessStdout(99_999, () => {}), { code: "process_not_found" });
});

test("terminals show what they are typed", async () => {
  const { shellId } = vm.openShell({ cols: 100, rows: 30 });
  assert.match(shellId, /^shell-\d+$/);
  let shown = "";
  const { promise: seen, resolve } = deferred<void>();
  vm.onShellData(shellId, (data) => {
    shown += text(data);
    if (shown.includes("sum 42")) resolve();
  });
  assert.deepEqual((await vm.listShells()).map((shell) => [shell.shellId, shell.cols, shell.rows]), [[shellId, 100, 30]]);
  await vm.resizeShell(shellId, 120, 40);
  await vm.writeShell(shellId, "echo sum $((40 + 2)); stty size\n");
  await seen;
  const { promise: ended, resolve: end } = deferred<number>();
  vm.onShellExit(shellId, end);
  await vm.writeShell(shellId, "exit 5\n");
  assert.equal(await ended, 5);
  await vm.closeShell(shellId);
  assert.throws(() => vm.onShellData("shell-999", () => {}), { code: "shell_not_found" });
  const failed = vm.openShell({ command: "no-such-program" }).shellId;
  const { promise: failure, resolve: fail } = deferred<number>();
  vm.onShellExit(failed, fail);
  assert.equal(await failure, 127);
});

test("a terminal can be closed", async () => {
  const { shellId } = vm.openShell({ command: "sleep", args: ["1000"] });
  await vm.closeShell(shellId);
  const { promise, resolve } = deferred<number>();
  vm.onShellExit(shellId, resolve);
  assert.ok((await promise) > 128);
});

test("a terminal is connected to streams", async () => {
  const { PassThrough } = await import("node:stream");
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  let shown = "";
  stdout.on("data", (data: Buffer) => (shown += data.toString()));
  const code = vm.connectTerminal({ stdin, stdout });
  stdin.write("echo from $((1 + 1)) terminals; exit 6\n");
  assert.equal(await code, 6);
  assert.match(shown, /from 2 terminals/);
});
