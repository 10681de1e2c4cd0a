import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { AgentOs } from "@agentos/core";
import { failsWith, text } from "./support.js";

let vm: AgentOs;
before(async () => {
  vm = await AgentOs.create({ software: ["common"] });
});
after(() => vm.dispose());

test("files are written, read, listed, moved and deleted", async () => {
  await vm.mkdir("/home/user/a/b", { recursive: true });
  await vm.writeFile("/home/user/a/b/one", "hello");
  await vm.writeFile("/home/user/a/b/one", new TextEncoder().encode(" world"), { append: true });
  assert.equal(text(await vm.readFile("/home/user/a/b/one")), "hello world");
  assert.equal(text(await vm.readFile("/home/user/a/b/one", { offset: 6, length: 3 })), "wor");
  assert.deepEqual(await vm.readdir("/home/user/a"), ["b"]);
  const listed = await vm.readdirRecursive("/home/user/a", { maxDepth: 2 });
  assert.deepEqual(listed, [
    { path: "/home/user/a/b", type: "directory", size: listed[0]?.size },
    { path: "/home/user/a/b/one", type: "file", size: 11 },
  ]);
  const stat = await vm.stat("/home/user/a/b/one");
  assert.equal(stat.size, 11);
  assert.equal(stat.isDirectory, false);
  assert.ok(stat.mtimeMs > 1.6e12);
  await vm.move("/home/user/a/b/one", "/home/user/two");
  assert.equal(await vm.exists("/home/user/a/b/one"), false);
  assert.equal(await vm.exists("/home/user/two"), true);
  await vm.deleteFile("/home/user/two");
  await failsWith(vm.delete("/home/user/a"), "ENOTEMPTY");
  await vm.delete("/home/user/a", { recursive: true });
  assert.equal(await vm.exists("/home/user/a"), false);
});

test("several files at once: one that fails does not fail the others", async () => {
  const written = await vm.writeFiles([
    { path: "/home/user/many/1", content: "one" },
    { path: "/proc/2", content: "two" },
  ]);
  assert.deepEqual(written.map((one) => one.success), [true, false]);
  const read = await vm.readFiles(["/home/user/many/1", "/home/user/many/0"]);
  assert.equal(text(read[0]?.content ?? new Uint8Array()), "one");
  assert.equal(read[1]?.content, null);
  assert.equal(read[1]?.code, "ENOENT");
});

test("what is refused says where and why", async () => {
  const missing = await failsWith(vm.readFile("/no/such/file"), "ENOENT");
  assert.equal(missing.group, "agentos");
  assert.deepEqual(missing.metadata, { errno: "ENOENT", syscall: "readFile", path: "/no/such/file" });
  await failsWith(vm.readFile("relative"), "invalid_argument", /Path must be absolute: relative/);
  await failsWith(vm.writeFile("/proc/x", ""), "EROFS");
  await failsWith(vm.mkdir("/home/user"), "EEXIST");
  await failsWith(vm.mkdir("/x", { recursve: true } as object), "invalid_argument", /did you mean recursive/);
  await failsWith(vm.writeFile("/home/user/x", 5 as never), "invalid_argument", /a string or a Uint8Array/);
  await failsWith(vm.writeFile("/home/user/x", (() => {}) as never), "invalid_argument", /a function/);
});

test("large files cross whole and are the caller's own", async () => {
  const large = new Uint8Array(20 * 2 ** 20);
  for (let at = 0; at < large.length; at += 4096) large[at] = at / 4096;
  await vm.writeFile("/home/user/large", large);
  const read = await vm.readFile("/home/user/large");
  assert.deepEqual(Buffer.compare(read, large), 0);
  read.fill(0);
  assert.equal((await vm.readFile("/home/user/large", { offset: 4096 * 7, length: 1 }))[0], 7);
});

test("a buffer that changes during the call does not change the file halfway", async () => {
  const content = new Uint8Array(2 ** 20).fill(1);
  const writing = vm.writeFile("/home/user/stable", content);
  content.fill(2);
  await writing;
  assert.ok((await vm.readFile("/home/user/stable")).every((byte) => byte === 1));
});

test("the host's own file calls are not under the policy", async () => {
  const strict = await AgentOs.create({ permissions: { fs: "deny" } });
  await failsWith(strict.writeFile("/home/user/x", "1"), "EACCES");
  const host = strict.asHost();
  await host.mkdir("/home/user/d");
  await host.writeFile("/home/user/d/x", "1");
  assert.equal(text(await host.readFile("/home/user/d/x")), "1");
  assert.deepEqual(await host.readdir("/home/user/d"), ["x"]);
  assert.equal((await host.stat("/home/user/d/x")).size, 1);
  assert.equal(await host.exists("/home/user/d/x"), true);
  await host.move("/home/user/d/x", "/home/user/d/y");
  assert.equal((await host.readFiles(["/home/user/d/y"]))[0]?.path, "/home/user/d/y");
  assert.equal((await host.writeFiles([{ path: "/home/user/d/z", content: "" }]))[0]?.success, true);
  assert.equal((await host.readdirRecursive("/home/user/d")).length, 2);
  await host.deleteFile("/home/user/d/y");
  await host.delete("/home/user/d", { recursive: true });
  await strict.dispose();
});

test("a large file is the same after it was written, changed in the VM and read", async () => {
  const size = (32 << 20) + 5;
  const content = new Uint8Array(size).map((_, at) => at * 31);
  const written = vm.writeFile("/home/user/large", content);
  // The bytes were taken when the call was made.
  content.fill(0, 0, 100);
  await written;
  const read = await vm.readFile("/home/user/large");
  assert.equal(read.length, size);
  assert.ok(read.subarray(0, 100).every((byte, at) => byte === ((at * 31) & 255)));
  assert.equal(Buffer.compare(read.subarray(100), content.subarray(100)), 0);
  // What is read is the script's own.
  read.fill(7);
  assert.equal((await vm.exec("printf X | dd of=large bs=1 seek=5000 conv=notrunc 2>/dev/null; truncate -s 20000000 large")).exitCode, 0);
  const changed = await vm.readFile("/home/user/large");
  assert.equal(changed.length, 20_000_000);
  assert.equal(changed[5000], 88);
  assert.equal(Buffer.compare(changed.subarray(5001), content.subarray(5001, 20_000_000)), 0);
  const part = await vm.readFile("/home/user/large", { offset: 19_999_990, length: 100 });
  assert.deepEqual(part, content.slice(19_999_990, 20_000_000));
  await vm.deleteFile("/home/user/large");
});

test("a large file may be written from a part of a buffer, and its buffer given away", async () => {
  const whole = new Uint8Array(8 << 20).fill(1);
  await vm.writeFile("/home/user/part", whole.subarray(1 << 20, 6 << 20));
  const written = vm.writeFile("/home/user/whole", whole);
  const moved = structuredClone(whole, { transfer: [whole.buffer] });
  moved.fill(2);
  await written;
  assert.equal((await vm.stat("/home/user/part")).size, 5 << 20);
  assert.ok((await vm.readFile("/home/user/whole")).every((byte) => byte === 1));
  for (const name of ["part", "whole"]) await vm.deleteFile(`/home/user/${name}`);
});
