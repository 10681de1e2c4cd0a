import assert from "node:assert/strict";
import { closeSync, ftruncateSync, openSync, readdirSync, readlinkSync, writeSync } from "node:fs";
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

/** Descriptors of this process that are sealed contents of files. */
const sealed = (): string[] =>
  readdirSync("/proc/self/fd")
    .map((fd) => `/proc/self/fd/${fd}`)
    .filter((path) => {
      try {
        return readlinkSync(path).startsWith("/memfd:agentos-file");
      } catch {
        return false;
      }
    });

const SIZE = (8 << 20) + 5;
/** Different in every page, and not zero. */
const byteAt = (at: number): number => ((at * 31 + (at >> 12)) & 127) + 1;
const pattern = (): Uint8Array => new Uint8Array(SIZE).map((_, at) => byteAt(at));
const sameAs = (content: Uint8Array, other: Uint8Array): boolean => Buffer.compare(content, other) === 0;

test("what scripts and programs do to a large file each has for itself", async () => {
  const own = await AgentOs.create({ software: ["common"] });
  const content = pattern();
  await own.writeFile("/tmp/shared", content);
  const [first, second] = [await own.readFile("/tmp/shared"), await own.readFile("/tmp/shared")];
  // A script's change is in its buffer only.
  first.fill(200);
  assert.ok(sameAs(second, content));
  assert.ok(sameAs(await own.readFile("/tmp/shared"), content));
  assert.equal((await own.exec("cksum < /tmp/shared")).stdout, (await own.exec("cat /tmp/shared | cksum")).stdout);
  // A program's change is in the file only, in place, beyond the end and cut.
  const change = "printf XY | dd of=/tmp/shared bs=1 seek=4095 conv=notrunc 2>/dev/null; printf Z >> /tmp/shared";
  assert.equal((await own.exec(change)).exitCode, 0);
  assert.ok(sameAs(second, content));
  const changed = await own.readFile("/tmp/shared");
  assert.deepEqual([changed.length, changed[4095], changed[4096], changed[SIZE]], [SIZE + 1, 88, 89, 90]);
  assert.equal(changed[4097], byteAt(4097));
  assert.equal((await own.exec("truncate -s 3 /tmp/shared")).exitCode, 0);
  assert.ok(sameAs(second, content));
  // The buffer outlives the file, the VM, and its way to another owner: Node.js 22 and later copy memory that an addon made.
  await own.deleteFile("/tmp/shared");
  await own.dispose();
  if (Number.parseInt(process.versions.node) >= 22) {
    assert.throws(() => structuredClone(second, { transfer: [second.buffer] }), { name: "DataCloneError" });
    assert.ok(sameAs(structuredClone(second), content));
  } else {
    const moved = structuredClone(second, { transfer: [second.buffer] });
    assert.ok(sameAs(moved, content));
  }
  assert.ok(first.every((byte) => byte === 200));
});

test("files of every size are each reader's own", async () => {
  for (const size of [1, 65_535, 65_536, 300_000, 3 << 20, (4 << 20) - 1, 4 << 20]) {
    const content = new Uint8Array(size).map((_, at) => byteAt(at));
    await vm.writeFile("/tmp/own", content);
    const first = await vm.readFile("/tmp/own");
    const [second] = await vm.readFiles(["/tmp/own"]);
    const part = await vm.readFile("/tmp/own", { offset: 0, length: size });
    for (const read of [first, second?.content as Uint8Array, part]) {
      assert.ok(sameAs(read, content), `${size}`);
      read.fill(0);
    }
    assert.ok(sameAs(await vm.readFile("/tmp/own"), content), `${size}`);
  }
  await vm.deleteFile("/tmp/own");
});

test("a copy of a VM and its original share a large file that neither changes for the other", async () => {
  const original = await AgentOs.create({ software: ["common"] });
  const content = pattern();
  await original.writeFile("/tmp/shared", content);
  const kept = await original.snapshotRootFilesystem();
  const copy = await kept.create();
  await kept.dispose();
  assert.equal((await original.exec("printf X | dd of=/tmp/shared bs=1 seek=0 conv=notrunc 2>/dev/null")).exitCode, 0);
  const read = await copy.readFile("/tmp/shared");
  assert.ok(sameAs(read, content));
  assert.equal((await original.readFile("/tmp/shared"))[0], 88);
  // Written elsewhere it is a content of its own.
  await copy.writeFile("/tmp/other", read);
  read.fill(0);
  assert.ok(sameAs(await copy.readFile("/tmp/other"), content));
  await original.dispose();
  await copy.dispose();
});

test("nobody can write into what a large file and its readers share", { skip: process.platform !== "linux" }, async () => {
  const own = await AgentOs.create();
  const before = new Set(sealed());
  await own.writeFile("/tmp/shared", pattern());
  const added = sealed().filter((path) => !before.has(path));
  assert.equal(added.length, 1);
  const file = openSync(added[0] as string, "r+");
  const refused = (error: { code?: string }): boolean => error.code === "EPERM";
  assert.throws(() => writeSync(file, "X", 0), refused);
  assert.throws(() => ftruncateSync(file, 0), refused);
  assert.throws(() => ftruncateSync(file, SIZE + 4096), refused);
  closeSync(file);
  await own.dispose();
});

test("large files hold so many descriptors and no more, and give them back", { skip: process.platform !== "linux" }, async () => {
  const own = await AgentOs.create({ limits: { resources: { maxFilesystemBytes: 2 ** 30 } } });
  const before = sealed().length;
  const content = new Uint8Array(4 << 20);
  const count = 70;
  for (let at = 0; at < count; at++) {
    content[0] = at;
    await own.writeFile(`/tmp/${at}`, content);
  }
  assert.ok(sealed().length <= 64);
  for (let at = 0; at < count; at++) assert.equal((await own.readFile(`/tmp/${at}`))[0], at);
  // A file that is replaced gives its descriptor to the next.
  for (let at = 0; at < 10; at++) await own.writeFile("/tmp/0", content);
  await own.dispose();
  assert.ok(sealed().length <= before);
});
