import assert from "node:assert/strict";
import { test } from "node:test";
import { AgentOs, type AgentOsOptions, UserError, createHostDirBackend, hostTool, toolKit } from "@agentos/core";
import { failsWith } from "./support.js";

/** The path that creating a VM with wrong options names. */
async function refused(options: unknown): Promise<string> {
  const error = await failsWith(AgentOs.create(options as AgentOsOptions), "invalid_config");
  const { path } = error.metadata as { path: string };
  assert.ok(error.message.startsWith(path), error.message);
  return path;
}

test("wrong options are named with their full path", async () => {
  const cases: [unknown, string][] = [
    [5, "options"],
    [{ sofware: [] }, "sofware"],
    [{ software: [["comon"]] }, "software[0][0]"],
    [{ software: [5] }, "software[0]"],
    [{ software: [{ name: "jqq" }] }, "software[0].name"],
    [{ software: [{ name: "pi", type: "agents" }] }, "software[0].type"],
    [{ software: "common" }, "software"],
    [{ limits: { resources: { maxProcesess: 1 } } }, "limits.resources.maxProcesess"],
    [{ limits: { resources: { maxProcesses: "many" } } }, "limits.resources.maxProcesses"],
    [{ limits: 5 }, "limits"],
    [{ network: { dns: { server: [] } } }, "network.dns.server"],
    [{ loopbackExemptPorts: [70000] }, "loopbackExemptPorts[0]"],
    [{ env: { A: 5 } }, "env.A"],
    [{ env: { A: { secret: "NO_SUCH_SECRET" } } }, "env.A.secret"],
    [{ mounts: [{ path: "/m" }] }, "mounts[0]"],
    [{ mounts: [{ path: "/m", driver: {} }] }, "mounts[0].driver.stat"],
    [{ mounts: [{ path: "/m", plugin: { id: "nfs" } }] }, "mounts[0].plugin.id"],
    [{ mounts: [{ path: "/m", plugin: { id: "memory" }, readonly: true }] }, "mounts[0].readonly"],
    [{ permissions: { fs: { rules: [{ mode: "ask" }] } } }, "permissions.fs.rules[0].mode must be one of \"allow\", \"deny\""],
    [{ persist: 5 }, "persist"],
    [{ hostname: "" }, "hostname"],
    [{ scheduleDriver: {} }, "scheduleDriver.schedule"],
    [{ sidecar: { kind: "explicit", handle: {} } }, "sidecar.handle"],
    [{ sidecar: { kind: "own" } }, "sidecar.kind"],
    [{ toolKits: [{ name: "x" }] }, "toolKits[0].description"],
    [{ secrets: [{ name: "A", value: "hunter2-hunter2" }] }, "secrets[0].hosts"],
  ];
  for (const [options, path] of cases) {
    const named = await refused(options).catch((error: unknown) => assert.fail(`${JSON.stringify(options)}: ${String(error)}`));
    assert.ok(path.startsWith(named) || named.startsWith(path), `${named} instead of ${path}`);
  }
});

test("a misspelt option comes with the right one", async () => {
  await failsWith(AgentOs.create({ sofware: [] } as object), "invalid_config", /did you mean software\?/);
  const limits = { resources: { maxProcesess: 1 } };
  await failsWith(AgentOs.create({ limits }), "invalid_config", /did you mean maxProcesses\?/);
});

test("what is not there yet says so", async () => {
  for (const options of [
    { database: { type: "sqlite_file", path: "/tmp/x" } },
    { software: [{ name: "own", commandDir: "/tmp" }] },
  ]) {
    await failsWith(AgentOs.create(options as AgentOsOptions), "unsupported");
  }
});

test("options work: variables, secrets of the host, limits, name, directory", async () => {
  process.env["AGENTOS_SECRET_TOKEN"] = "t0ken";
  const vm = await AgentOs.create({
    software: ["coreutils", ["grep"]],
    env: { PLAIN: "p", HIDDEN: { secret: "TOKEN" } },
    limits: { resources: { maxProcesses: 3, maxFilesystemBytes: 4096 } },
    hostname: "box",
    cwd: "/tmp",
    rootFilesystem: { mode: "overlay" },
    clientSecrets: [],
    allowedNodeBuiltins: ["fs"],
    additionalInstructions: "Be brief.",
    persist: ["/home/user"],
  });
  assert.equal((await vm.exec("echo $PLAIN $HIDDEN; hostname; pwd")).stdout, "p t0ken\nbox\n/tmp\n");
  const full = await failsWith(vm.writeFile("/home/user/x", new Uint8Array(5000)), "limit_exceeded");
  assert.equal((full.metadata as { limit: string }).limit, "maxFilesystemBytes");
  assert.equal((full.metadata as { errno: string }).errno, "ENOSPC");
  vm.spawn("sleep", ["1000"]);
  vm.spawn("sleep", ["1000"]);
  vm.spawn("sleep", ["1000"]);
  const beyond = await failsWith(vm.exec("true"), "limit_exceeded");
  assert.equal((beyond.metadata as { errno: string }).errno, "EAGAIN");
  assert.equal(vm.usage().limits.find(({ name }) => name === "maxProcesses")?.observed, 3);
  await vm.dispose();
});

test("a VM without software has no command", async () => {
  await using vm = await AgentOs.create();
  await failsWith(vm.exec("true"), "ENOENT", /command not found: sh/);
});

test("toolkits are checked", async () => {
  const forecast = hostTool({
    description: "Forecast for a city",
    inputSchema: { type: "object", properties: { city: { type: "string" } } },
    execute: () => ({ temperature: 22 }),
    examples: [{ description: "3 days", input: { city: "Paris" } }],
    timeout: 1000,
  });
  const kit = toolKit({ name: "weather", description: "Weather data", tools: { forecast } });
  const vm = await AgentOs.create({ toolKits: [kit] });
  await vm.dispose();
  const long = "x".repeat(201);
  const described = { name: "weather", description: long, tools: {} };
  await failsWith(() => toolKit(described), "invalid_config", /Toolkit "weather" description is 201 characters, max is 200/);
  const wordy = { name: "weather", description: "", tools: { now: { ...forecast, description: long } } };
  await failsWith(() => toolKit(wordy), "invalid_config", /Tool "weather\/now" description is 201 characters/);
  await failsWith(() => toolKit({ name: "Weather", description: "", tools: {} }), "invalid_config", /lower-case/);
  await failsWith(() => hostTool({ ...forecast, execute: 5 } as never), "invalid_config", /must be a function/);
  await failsWith(() => hostTool({ ...forecast, inputSchema: {} } as never), "invalid_config", /zod schema/);
  assert.ok(new UserError("x") instanceof Error);
});

test("a host directory must exist", async () => {
  const driver = createHostDirBackend({ hostPath: "/no/such/directory" });
  await failsWith(AgentOs.create({ mounts: [{ path: "/m", driver }] }), "invalid_config", /must exist/);
  await failsWith(() => createHostDirBackend({ hostpath: "/" } as never), "invalid_config", /did you mean hostPath/);
});
