import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AgentOs, type FilesystemDriver, createHostDirBackend, createInMemoryFileSystem } from "@agentos/core";
import { failsWith, text } from "./support.js";

/** A driver that keeps files in a map. */
class MapDriver implements FilesystemDriver {
  readonly files = new Map<string, Uint8Array | null>([["/", null]]);
  readonly calls: string[] = [];

  stat(path: string) {
    this.calls.push(`stat ${path}`);
    const content = this.#find(path);
    return content === null ? { type: "directory" as const, size: 0 } : { type: "file" as const, size: content.length, mtimeMs: 1e12 };
  }
  readdir(path: string) {
    const base = path === "/" ? "/" : `${path}/`;
    return [...this.files.keys()].filter((name) => name !== "/" && name.startsWith(base) && !name.slice(base.length).includes("/"))
      .map((name) => name.slice(base.length));
  }
  async readFile(path: string) {
    return this.#find(path) ?? new Uint8Array();
  }
  async writeFile(path: string, content: Uint8Array) {
    this.files.set(path, content);
  }
  mkdir(path: string) {
    this.files.set(path, null);
  }
  unlink(path: string) {
    this.files.delete(path);
  }
  rmdir(path: string) {
    this.files.delete(path);
  }
  rename(from: string, to: string) {
    this.files.set(to, this.#find(from));
    this.files.delete(from);
  }
  #find(path: string): Uint8Array | null {
    const content = this.files.get(path);
    if (content === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
    return content;
  }
}

test("the modules of a directory are seen, and nothing else of it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "agentos-modules-"));
  await mkdir(join(folder, "node_modules", "left-pad"), { recursive: true });
  await writeFile(join(folder, "node_modules", "left-pad", "package.json"), "{}\n");
  await writeFile(join(folder, "secret"), "s");
  const vm = await AgentOs.create({ software: ["common"], moduleAccessCwd: folder });
  const seen = await vm.exec("cat /root/node_modules/left-pad/package.json; ls /root/node_modules; touch /root/node_modules/x");
  assert.equal(seen.stdout, "{}\nleft-pad\n");
  assert.match(seen.stderr, /Read-only file system/);
  await vm.dispose();
  // Nothing to show is an error at once, not an empty directory.
  await assert.rejects(AgentOs.create({ moduleAccessCwd: join(folder, "nosuch") }));
  await rm(folder, { recursive: true });
});

test("a filesystem written in TypeScript serves programs and the host", async () => {
  const driver = new MapDriver();
  driver.files.set("/greeting", new TextEncoder().encode("hello from the host\n"));
  const vm = await AgentOs.create({ software: ["common"], mounts: [{ path: "/data", driver }] });
  assert.equal((await vm.exec("cat /data/greeting")).stdout, "hello from the host\n");
  assert.equal(text(await vm.readFile("/data/greeting")), "hello from the host\n");
  assert.equal((await vm.exec("mkdir /data/d && echo one > /data/d/f && echo two >> /data/d/f && mv /data/d/f /data/g && ls /data && cat /data/g")).stdout,
    "d\ng\ngreeting\none\ntwo\n");
  assert.equal(text(driver.files.get("/g") ?? new Uint8Array()), "one\ntwo\n");
  await vm.writeFile("/data/h", "from outside");
  assert.equal(text(driver.files.get("/h") ?? new Uint8Array()), "from outside");
  assert.equal((await vm.exec("rm /data/h; rmdir /data/d; ls /data; cat /data/nothing")).stdout, "g\ngreeting\n");
  assert.equal((await vm.exec("pwd; ls", { cwd: "/data" })).stdout, "/data\ng\ngreeting\n");
  await failsWith(vm.readFile("/data/nothing"), "ENOENT");
  assert.deepEqual(await vm.listMounts().then((mounts) => mounts.filter(({ path }) => path === "/data")), [
    { path: "/data", kind: "script", readOnly: false },
  ]);
  await vm.dispose();
});

test("a driver that throws, lies or hangs hurts nobody", async () => {
  const warnings: string[] = [];
  const listener = (warning: Error): void => void warnings.push(warning.message);
  process.on("warning", listener);
  const vm = await AgentOs.create({
    software: ["common"],
    mounts: [
      { path: "/throws", driver: { stat: rootOr(() => { throw new Error("broken driver"); }), readdir: () => [], readFile: () => "" } },
      { path: "/lies", driver: { stat: rootOr(() => ({ type: "door", size: -1 }) as never), readdir: () => [5, "a/b"] as never, readFile: () => 5 as never } },
      { path: "/hangs", driver: { stat: rootOr(() => new Promise<never>(() => {})), readdir: () => [], readFile: () => "", timeoutMs: 500 } },
    ],
  });
  await failsWith(vm.readFile("/throws/x"), "EIO");
  await failsWith(vm.readFile("/lies/x"), "EIO");
  assert.notEqual((await vm.exec("ls /lies/")).exitCode, 0);
  await failsWith(vm.readFile("/hangs/x"), "ETIMEDOUT");
  assert.equal((await vm.exec("cat /hangs/x 2>/dev/null || echo still here")).stdout, "still here\n");
  // After a few missed deadlines the driver is left alone.
  await vm.readFile("/hangs/x").catch(() => {});
  await vm.readFile("/hangs/x").catch(() => {});
  await failsWith(vm.readFile("/hangs/x"), "EIO");
  assert.equal((await vm.exec("echo alive")).stdout, "alive\n");
  await vm.dispose();
  process.off("warning", listener);
  assert.ok(warnings.some((text) => text.includes("driver at mounts[0].driver") && text.includes("broken driver")), warnings.join());
});

/** A `stat` that knows the root and leaves the rest to somebody else. */
function rootOr<T>(other: () => T) {
  return (path: string) => (path === "/" ? { type: "directory" as const, size: 0 } : other());
}

test("host directories, memory and overlays are mounted", async () => {
  const host = await mkdtemp(join(tmpdir(), "agentos-core-"));
  await writeFile(join(host, "kept"), "on the host");
  const vm = await AgentOs.create({
    software: ["common"],
    mounts: [
      { path: "/host", driver: createHostDirBackend({ hostPath: host }) },
      { path: "/ro", plugin: { id: "host_dir", config: { hostPath: host } }, readOnly: true },
      { path: "/mem", driver: createInMemoryFileSystem() },
      { path: "/over", lowers: [createHostDirBackend({ hostPath: host, readOnly: true })] },
      { path: "/small", plugin: { id: "memory" }, maxBytes: 10 },
    ],
  });
  assert.equal((await vm.exec("cat /host/kept /ro/kept /over/kept")).stdout, "on the hoston the hoston the host");
  await vm.writeFile("/host/new", "made in the VM");
  assert.equal(await readFile(join(host, "new"), "utf8"), "made in the VM");
  await failsWith(vm.writeFile("/ro/x", ""), "EROFS");
  await vm.writeFile("/over/kept", "changed");
  assert.equal(await readFile(join(host, "kept"), "utf8"), "on the host");
  assert.equal(text(await vm.readFile("/over/kept")), "changed");
  await vm.writeFile("/mem/x", "m");
  await failsWith(vm.writeFile("/small/x", "more than ten bytes"), "limit_exceeded");
  await vm.dispose();
  await rm(host, { recursive: true });
});

test("mounts come and go at run time", async () => {
  const vm = await AgentOs.create({ software: ["common"] });
  await vm.mountFs("/late", createInMemoryFileSystem());
  await vm.writeFile("/late/x", "x");
  await vm.mountFs("/fixed", new MapDriver(), { readOnly: true });
  await failsWith(vm.writeFile("/fixed/x", ""), "EROFS");
  const { pid } = vm.spawn("sleep", ["1000"], { cwd: "/late" });
  await failsWith(vm.unmountFs("/late"), "EBUSY");
  await vm.killProcess(pid);
  await vm.waitProcess(pid);
  await vm.unmountFs("/late");
  assert.equal(await vm.exists("/late/x"), false);
  await failsWith(vm.mountFs("/proc", createInMemoryFileSystem()), "invalid_config");
  await failsWith(vm.mountFs("/x", {} as never), "invalid_config");
  await vm.dispose();
});

test("a snapshot keeps the files", async () => {
  const vm = await AgentOs.create({ software: ["common"] });
  await vm.writeFile("/home/user/x", "before");
  const snapshot = await vm.snapshotRootFilesystem();
  await vm.writeFile("/home/user/x", "after");
  const copy = await snapshot.create();
  assert.equal(text(await copy.readFile("/home/user/x")), "before");
  assert.equal((await copy.exec("cat /home/user/x")).stdout, "before");
  await copy.dispose();
  await snapshot.dispose();
  assert.equal(text(await vm.readFile("/home/user/x")), "after");
  await vm.dispose();
});
