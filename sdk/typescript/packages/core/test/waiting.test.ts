/** Drivers whose answers take long, come piece by piece, or need the VM that asks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AgentOs, type DriverCall, type FilesystemDriver } from "@agentos/core";
import { failsWith, text } from "./support.js";

/** A driver of one file, `/f`, whose content is made when it is read. */
function fileOf(read: (call: DriverCall) => string | Promise<string>, more: Partial<FilesystemDriver> = {}): FilesystemDriver {
  return {
    stat: (path) => (path === "/" ? { type: "directory", size: 0 } : { type: "file", size: 1 << 20 }),
    readdir: () => ["f"],
    readFile: (_path, call) => read(call),
    ...more,
  };
}

/** A promise and what resolves it. */
function opened<T>(): { promise: Promise<T>; resolve(value: T): void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((given) => (resolve = given));
  return { promise, resolve: (value) => resolve(value) };
}

const never = (): Promise<never> => new Promise(() => {});

test("a driver may run commands in the VM that waits for it", async () => {
  const vm: AgentOs = await AgentOs.create({
    software: ["common"],
    // One CPU, which is the default: the program that reads must lend it to the one that answers.
    limits: { resources: { cpuCount: 1 } },
    mounts: [{ path: "/m", driver: fileOf(async () => (await vm.exec("echo made; cat /home/user/part")).stdout, { timeoutMs: 60_000 }) }],
  });
  await vm.writeFile("/home/user/part", "of a part\n");
  assert.equal((await vm.exec("cat /m/f")).stdout, "made\nof a part\n");
  const { stdout } = await vm.exec("for i in 1 2 3 4 5 6 7 8; do cat /m/f & done; wait");
  assert.equal(stdout, "made\nof a part\n".repeat(8));
  assert.equal(text(await vm.readFile("/m/f")), "made\nof a part\n");
  await vm.dispose();
});

test("a file may be written while another of the same driver waits for that", async () => {
  const files = new Map<string, Uint8Array>([["/a", new Uint8Array()], ["/b", new Uint8Array()]]);
  const vm: AgentOs = await AgentOs.create({
    software: ["common"],
    mounts: [{
      path: "/m",
      driver: {
        stat: (path) => (path === "/" ? { type: "directory", size: 0 } : { type: "file", size: files.get(path)?.length ?? 0 }),
        readdir: () => [...files.keys()].map((path) => path.slice(1)),
        readFile: (path) => files.get(path) ?? "",
        pwrite: async (path, _offset, content) => {
          if (path === "/a") await vm.exec("echo inner >> /m/b");
          files.set(path, content.slice());
        },
        timeoutMs: 60_000,
      },
    }],
  });
  assert.equal((await vm.exec("echo outer >> /m/a; cat /m/a /m/b")).stdout, "outer\ninner\n");
  await vm.dispose();
});

test("a chain of VMs that mount each other's files is as long as one likes", async () => {
  const LENGTH = 270;
  const byExec: AgentOs[] = [];
  const byRead: AgentOs[] = [];
  for (let at = 0; at < LENGTH; at++) {
    const [exec, read] = [byExec[at - 1], byRead[at - 1]];
    const mount = (driver: FilesystemDriver) => ({ software: ["common"], mounts: [{ path: "/m", driver }] });
    byExec.push(await AgentOs.create(mount(fileOf(async () => (exec ? (await exec.exec("cat /m/f")).stdout : "the end"), { timeoutMs: 60_000 }))));
    byRead.push(await AgentOs.create(mount(fileOf(async () => (read ? text(await read.readFile("/m/f")) : "the end"), { timeoutMs: 60_000 }))));
  }
  assert.equal((await byExec[LENGTH - 1]?.exec("cat /m/f"))?.stdout, "the end");
  assert.equal((await byRead[LENGTH - 1]?.exec("cat /m/f"))?.stdout, "the end");
  for (const vm of [...byExec, ...byRead]) await vm.dispose();
});

test("a file that a driver gives whole is asked for once each time it is opened", async () => {
  let asked = 0;
  const driver = fileOf(() => `${++asked}`.padEnd(300_000, "x"));
  const vm = await AgentOs.create({ software: ["common"], mounts: [{ path: "/m", driver }] });
  for (const time of [1, 2]) {
    assert.equal((await vm.exec("cat /m/f > /tmp/f; head -c 1 /tmp/f; wc -c < /tmp/f")).stdout.replace(/\s+/g, " "), `${time}300000 `);
    assert.equal(asked, time);
  }
  assert.equal((await vm.exec("head -c 1 /m/f; head -c 1 /m/f")).stdout, "34");
  await vm.dispose();
});

test("a driver hears when its deadline has passed", async () => {
  const heard = opened<boolean>();
  const driver = fileOf(never, { timeoutMs: 100, readFile: (_path, { signal }) => (signal.addEventListener("abort", () => heard.resolve(signal.aborted)), never()) });
  const vm = await AgentOs.create({ software: ["common"], mounts: [{ path: "/m", driver }] });
  // The process has no other reason to stay for what it is told afterwards.
  const alive = setInterval(() => {}, 1000);
  await failsWith(vm.readFile("/m/f"), "ETIMEDOUT");
  assert.equal(await heard.promise, true);
  clearInterval(alive);
  await vm.dispose();
});

test("a program that is killed waits for no driver", async () => {
  const asked = opened<AbortSignal>();
  const driver = fileOf(never, { timeoutMs: 2 ** 30, readFile: (_path, { signal }) => (asked.resolve(signal), never()) });
  const vm = await AgentOs.create({ software: ["common"], mounts: [{ path: "/m", driver }] });
  // The program is found before it waits: it is started by one that does not.
  const run = vm.exec("cat /m/f & echo $! > /tmp/pid; wait $!; echo $?");
  const signal = await asked.promise;
  assert.equal(signal.aborted, false);
  await vm.exec("kill -9 $(cat /tmp/pid)");
  assert.equal((await run).stdout, "137\n");
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
  // Neither did the driver miss a deadline, nor is anything left of the call.
  assert.equal((await vm.exec("ls /m")).stdout, "f\n");
  await vm.dispose();
});

test("one program too many that waits for drivers is refused at once", async () => {
  const gate = opened<string>();
  const asked: (() => void)[] = [];
  const driver = fileOf(() => (asked.shift()?.(), gate.promise), { timeoutMs: 2 ** 30 });
  const limits = { plugins: { maxWaitingCalls: 2 } };
  const vm = await AgentOs.create({ software: ["common"], limits, mounts: [{ path: "/m", driver }] });
  const both = Promise.all([0, 1].map(() => new Promise<void>((resolve) => asked.push(resolve))));
  const first = vm.exec("cat /m/f & cat /m/f & wait");
  await both;
  const refused = await vm.exec("cat /m/f");
  assert.match(refused.stderr, /Resource temporarily unavailable/);
  assert.equal(refused.exitCode, 1);
  gate.resolve("told\n");
  assert.equal((await first).stdout, "told\ntold\n");
  await vm.dispose();
});

test("disposing gives up what drivers have not answered", async () => {
  const asked = opened<AbortSignal>();
  const driver = fileOf(never, { timeoutMs: 2 ** 30, readFile: (_path, { signal }) => (asked.resolve(signal), never()) });
  const vm = await AgentOs.create({ software: ["common"], mounts: [{ path: "/m", driver }] });
  const run = vm.exec("cat /m/f").then(() => undefined, (error: unknown) => error);
  const signal = await asked.promise;
  assert.equal(signal.aborted, false);
  // Without that it would take as long as the driver may.
  await vm.dispose();
  assert.equal(signal.aborted, true);
  await run;
});

test("a stream is read as far as programs read, and no further", async () => {
  let [made, open, ended] = [0, 0, 0];
  const offsets: number[] = [];
  const driver = fileOf(() => assert.fail("the stream is read instead"), {
    async *readStream(_path, offset) {
      offsets.push(offset);
      open += 1;
      try {
        for (let at = Math.floor(offset / 1024); at < 1024; at++) {
          made += 1;
          yield new Uint8Array(1024).fill(97 + (at % 26)).subarray(at * 1024 < offset ? offset % 1024 : 0);
        }
      } finally {
        ended += 1;
      }
    },
  });
  const vm = await AgentOs.create({ software: ["common"], mounts: [{ path: "/m", driver }] });
  assert.equal((await vm.exec("head -c 3000 /m/f | tail -c 1")).stdout, "c");
  assert.ok(made < 200, `${made} pieces were made for 3000 bytes`);
  // One stream serves a whole file that is read in order.
  offsets.length = 0;
  assert.equal((await vm.exec("wc -c < /m/f")).stdout.trim(), String(1 << 20));
  assert.deepEqual(offsets, [0]);
  assert.equal(text(await vm.readFile("/m/f", { offset: 1023, length: 3 })), "abb");
  assert.equal((await vm.readFile("/m/f")).length, 1 << 20);
  // Streams that nobody reads to their end are given up, at the latest with the VM.
  for (let at = 0; at < 40; at++) await vm.readFile("/m/f", { offset: at, length: 1 });
  await vm.dispose();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(ended, open);
});

test("pieces that come late reach a program as they come", async () => {
  const gates = [opened<void>(), opened<void>()];
  const driver = fileOf(() => "", {
    async *readStream() {
      yield "first\n";
      await gates[0]?.promise;
      yield "second\n";
      await gates[1]?.promise;
      throw Object.assign(new Error("cable cut"), { code: "EPIPE" });
    },
    timeoutMs: 60_000,
  });
  const vm = await AgentOs.create({ software: ["common"], mounts: [{ path: "/m", driver }] });
  let seen = "";
  const { exitCode, stderr } = await vm.exec("cat /m/f", {
    onStdout: (data) => {
      seen += text(data);
      gates[seen === "first\n" ? 0 : 1]?.resolve();
    },
  });
  assert.equal(seen, "first\nsecond\n");
  assert.match(stderr, /Broken pipe/);
  assert.notEqual(exitCode, 0);
  await vm.dispose();
});
