/**
 * The documented surface as a table: every option of every call, with nothing missing and nothing more. The compiler compares it
 * with the types, in both directions; the test below calls what can be called.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  AgentOs, type AgentOsOptions, type CoreExecOptions, type MountConfig, type RootSnapshotExport, createHostDirBackend,
  createInMemoryFileSystem,
} from "@agentos/core";
import type {
  CronJobInfo, CronJobOptions, EnvValue, ExecResult, Explanation, OpenShellOptions, ProcessInfo, ReaddirRecursiveOptions,
  ReadFileOptions, RecursiveOptions, ShellInfo, SpawnedProcess, SpawnOptions, VirtualStat, VmFetchInit, VmFetchResponse, VmStatus,
  WriteFileOptions,
} from "@agentos/client";
import { failsWith } from "./support.js";

/** The names of a type's members must be exactly those of the table. */
type Names<T> = Record<keyof T, true>;

const exec: Names<CoreExecOptions> = {
  env: true, cwd: true, stdin: true, timeout: true, filePath: true, captureStdio: true, cpuTimeLimitMs: true,
  timingMitigation: true, encoding: true, onStdout: true, onStderr: true, signal: true,
};
const spawn: Names<SpawnOptions> = {
  env: true, cwd: true, stdin: true, timeout: true, filePath: true, captureStdio: true, cpuTimeLimitMs: true,
  timingMitigation: true, streamStdin: true, signal: true,
};
const shell: Names<OpenShellOptions> = { command: true, args: true, env: true, cwd: true, cols: true, rows: true, signal: true };
const read: Names<ReadFileOptions> = { offset: true, length: true, signal: true };
const write: Names<WriteFileOptions> = { append: true, signal: true };
const recursive: Names<RecursiveOptions> = { recursive: true, signal: true };
const list: Names<ReaddirRecursiveOptions> = { maxDepth: true, exclude: true, signal: true };
const request: Names<VmFetchInit> = { method: true, headers: true, body: true, signal: true };
const job: Names<CronJobOptions> = { id: true, schedule: true, timezone: true, action: true, overlap: true, signal: true };
const options: Names<AgentOsOptions> = {
  software: true, rootFilesystem: true, mounts: true, persist: true, permissions: true, limits: true, toolKits: true,
  additionalInstructions: true, loopbackExemptPorts: true, network: true, env: true, secrets: true, clientSecrets: true,
  moduleAccessCwd: true, allowedNodeBuiltins: true, cwd: true, hostname: true, image: true, tools: true,
  scheduleDriver: true, sidecar: true, database: true,
};
const root: Names<NonNullable<AgentOsOptions["rootFilesystem"]>> = {
  mode: true, disableDefaultBaseLayer: true, lowers: true, snapshot: true,
};
const snapshot: Names<RootSnapshotExport> = { create: true, toBytes: true, dispose: true };

const stat: Names<VirtualStat> = {
  mode: true, size: true, blocks: true, dev: true, rdev: true, isDirectory: true, isSymbolicLink: true, atimeMs: true,
  mtimeMs: true, ctimeMs: true, birthtimeMs: true, ino: true, nlink: true, uid: true, gid: true,
};
const result: Names<ExecResult> = {
  exitCode: true, stdout: true, stderr: true, timedOut: true, stdoutTruncated: true, stderrTruncated: true, limit: true,
};
const started: Names<SpawnedProcess> = { pid: true, command: true, args: true, running: true, exitCode: true };
const info: Names<ProcessInfo> = {
  pid: true, ppid: true, pgid: true, sid: true, driver: true, command: true, args: true, cwd: true, status: true,
  exitCode: true, startTime: true, exitTime: true,
};
const terminal: Names<ShellInfo> = { shellId: true, pid: true, command: true, cols: true, rows: true, running: true, exitCode: true };
const response: Names<VmFetchResponse> = { status: true, statusText: true, headers: true, body: true };
const explanation: Names<Explanation> = { decision: true, rule: true, pattern: true, resource: true, guard: true };
const status: Names<VmStatus> = { state: true, bootedAt: true, awakeBecause: true, limits: true };
const known: Names<CronJobInfo> = {
  id: true, schedule: true, timezone: true, action: true, overlap: true, lastRun: true, nextRun: true, runCount: true,
  running: true, queued: true,
};

/** Optional members, which a result may lack. */
const OPTIONAL = new Set(["timedOut", "stdoutTruncated", "stderrTruncated", "limit", "pattern", "guard", "lastRun", "nextRun", "bootedAt"]);

/** Whether an object has the members of a table, and no others. */
function has(value: object, table: object, what: string): void {
  for (const name of Object.keys(value)) assert.ok(name in table, `${what}.${name} is not documented`);
  for (const name of Object.keys(table)) assert.ok(name in value || OPTIONAL.has(name), `${what}.${name} is missing`);
}

test("results have the documented members and no others", async () => {
  await using vm = await AgentOs.create({ software: ["common"] });
  await vm.writeFile("/home/user/f", "x");
  has(await vm.stat("/home/user/f"), stat, "stat");
  has(await vm.exec("true"), result, "exec");
  const { pid } = vm.spawn("sleep", ["1000"]);
  has(await vm.getProcess(pid), started, "getProcess");
  has((await vm.allProcesses())[0] ?? {}, info, "allProcesses");
  has((await vm.processTree())[0] ?? {}, { ...info, children: true }, "processTree");
  const { shellId } = vm.openShell({ command: "sleep", args: ["1000"] });
  has((await vm.listShells()).find((one) => one.shellId === shellId) ?? {}, terminal, "listShells");
  has(await vm.policy.explain("fs", "read", "/x"), explanation, "explain");
  has(await vm.vmStatus(), status, "vmStatus");
  vm.scheduleCron({ id: "job", schedule: "0 0 1 1 *", action: { type: "exec", command: "true" } });
  has(vm.listCronJobs()[0] ?? {}, known, "listCronJobs");
  vm.cancelCronJob("job");
});

test("every option of a call is taken, and any other refused", async () => {
  await using vm = await AgentOs.create({ software: ["common"] });
  await vm.writeFile("/home/user/f", "x");
  const signal = new AbortController().signal;
  const common = { env: { A: "a" }, cwd: "/tmp", stdin: "in", timeout: 60_000, filePath: "x.sh", captureStdio: true, cpuTimeLimitMs: 60_000, timingMitigation: "off" as const };
  const calls: [object, object, (options: never) => unknown][] = [
    [exec, { ...common, encoding: "utf8", onStdout: () => {}, onStderr: () => {}, signal }, (o) => vm.exec("true", o)],
    [exec, { ...common, encoding: "utf8", onStdout: () => {}, onStderr: () => {}, signal }, (o) => vm.execArgv(["true"], o)],
    // A signal has nothing to give up in a call that returns at once.
    [{ ...spawn, signal: false }, { ...common, streamStdin: true }, (o) => vm.waitProcess(vm.spawn("true", [], o).pid)],
    [{ ...shell, signal: false }, { command: "true", args: [], env: {}, cwd: "/tmp", cols: 10, rows: 10 }, (o) => vm.openShell(o)],
    [read, { offset: 0, length: 1, signal }, (o) => vm.readFile("/home/user/f", o)],
    [write, { append: true, signal }, (o) => vm.writeFile("/home/user/f", "x", o)],
    [recursive, { recursive: true, signal }, (o) => vm.mkdir("/home/user/d", o)],
    [recursive, { recursive: true, signal }, (o) => vm.delete("/home/user/d", o)],
    [list, { maxDepth: 1, exclude: [".git"], signal }, (o) => vm.readdirRecursive("/home/user", o)],
  ];
  for (const [table, given, call] of calls) {
    for (const [name, documented] of Object.entries(table)) {
      if (documented) assert.ok(name in given, `${name} is not tried`);
    }
    await call(given as never);
    await failsWith(() => call({ ...given, nosuch: 1 } as never), "invalid_argument", /nosuch/);
  }
  // Requests find nobody, which is another error than an unknown option.
  assert.deepEqual(Object.keys(request).sort(), ["body", "headers", "method", "signal"]);
  await failsWith(vm.vmFetch(1, "/", { method: "POST", headers: { a: "b" }, body: "x", signal }), "no_listener");
  await failsWith(vm.vmFetch(1, "/", { nosuch: 1 } as never), "invalid_argument", /nosuch/);
  assert.deepEqual(Object.keys(response).sort(), ["body", "headers", "status", "statusText"]);
  await failsWith(() => vm.scheduleCron({ schedule: "* * * * *", action: { type: "exec", command: "true" }, nosuch: 1 } as never), "invalid_config", /nosuch/);
  assert.ok("overlap" in job && "create" in snapshot);
});

/** A directory with modules. */
function moduleFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "agentos-surface-"));
  mkdirSync(join(folder, "node_modules"));
  return folder;
}

test("every option of a VM is taken or refused as documented", async () => {
  const taken: { [name in keyof AgentOsOptions]-?: AgentOsOptions[name] | "refused" } = {
    software: ["common"],
    rootFilesystem: { mode: "overlay", lowers: [createInMemoryFileSystem()] },
    mounts: [{ path: "/m", driver: createHostDirBackend({ hostPath: process.cwd(), readOnly: true }) }] satisfies MountConfig[],
    persist: "all",
    permissions: { fs: "allow" },
    limits: { resources: { maxProcesses: 64 } },
    toolKits: [],
    additionalInstructions: "Be brief.",
    loopbackExemptPorts: [8080],
    network: { dns: { servers: ["192.0.2.1"] } },
    env: { A: "a" } satisfies Record<string, EnvValue>,
    secrets: [{ name: "KEY", value: "hunter2-hunter2", hosts: ["api.example.com"] }],
    clientSecrets: ["KEY"],
    moduleAccessCwd: moduleFolder(),
    allowedNodeBuiltins: ["fs"],
    cwd: "/tmp",
    hostname: "box",
    image: [],
    tools: "bundled",
    scheduleDriver: { schedule: () => 1, cancel: () => {}, dispose: () => {} },
    sidecar: { kind: "shared", pool: "surface" },
    database: "refused",
  };
  for (const name of Object.keys(options) as (keyof AgentOsOptions)[]) {
    const value = taken[name];
    if (value === "refused") {
      const given = { type: "sqlite_file", path: "/tmp/x" };
      await failsWith(AgentOs.create({ [name]: given } as AgentOsOptions), "unsupported", new RegExp(name));
    } else {
      await (await AgentOs.create({ [name]: value } as AgentOsOptions)).dispose();
    }
  }
  assert.deepEqual(Object.keys(root).sort(), ["disableDefaultBaseLayer", "lowers", "mode", "snapshot"]);
});
