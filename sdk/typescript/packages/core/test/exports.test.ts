import assert from "node:assert/strict";
import { test } from "node:test";
import * as core from "@agentos/core";
import { failsWith } from "./support.js";

test("everything that is exported is known here", () => {
  assert.deepEqual(Object.keys(core).sort(), [
    "ActorError", "AgentOs", "InvalidScheduleError", "PastScheduleError", "Sidecar", "TimerScheduleDriver", "UserError",
    "createHostDirBackend", "createInMemoryFileSystem", "forgetHooks", "hostTool", "isActorError", "planKit", "planMount", "planOptions", "toolKit",
  ]);
});

/** Methods and what they are called with, of sessions: all say that the layer is not there. */
const SESSION_CALLS: [keyof core.AgentOs, unknown[]][] = [
  ["createSession", ["pi"]], ["getSession", ["s"]], ["resumeSession", ["s"]], ["sendPrompt", ["s", "hi"]], ["prompt", ["s", "hi"]],
  ["cancelPrompt", ["s"]], ["cancelSession", ["s"]], ["closeSession", ["s"]], ["destroySession", ["s"]], ["setModel", ["s", "m"]],
  ["setMode", ["s", "m"]], ["setThoughtLevel", ["s", "m"]], ["setSessionModel", ["s", "m"]], ["setSessionMode", ["s", "m"]],
  ["setSessionThoughtLevel", ["s", "m"]], ["getModes", ["s"]], ["getConfigOptions", ["s"]], ["getSessionModes", ["s"]],
  ["getSessionConfigOptions", ["s"]], ["getSessionCapabilities", ["s"]], ["getSessionAgentInfo", ["s"]], ["getEvents", ["s"]],
  ["getSequencedEvents", ["s"]], ["getSessionEvents", ["s"]], ["rawSend", ["s", "m"]], ["rawSessionSend", ["s", "m"]],
  ["respondPermission", ["s", "p", "once"]], ["onSessionEvent", ["s", () => {}]], ["onPermissionRequest", ["s", () => {}]],
];

/** Methods that other tests call. */
const TESTED = [
  "readFile", "writeFile", "readFiles", "writeFiles", "mkdir", "readdir", "readdirRecursive", "stat", "exists", "move",
  "deleteFile", "delete", "asHost", "exec", "execArgv", "spawn", "writeProcessStdin", "closeProcessStdin", "waitProcess",
  "listProcesses", "getProcess", "allProcesses", "processTree", "stopProcess", "killProcess", "signalProcess",
  "onProcessStdout", "onProcessStderr", "onProcessExit", "openShell", "writeShell", "resizeShell", "closeShell", "listShells",
  "onShellData", "onShellExit", "connectTerminal", "fetch", "vmFetch", "mountFs", "unmountFs", "listMounts",
  "snapshotRootFilesystem", "scheduleCron", "listCronJobs", "cancelCronJob", "onCronEvent", "policy", "usage", "vmStatus",
  "onLimitWarning", "dispose", "isDisposed",
  // Below.
  "listAgents", "listSessions", "listPendingPermissions", "listPermissionGrants", "revokePermissionGrant", "onAgentStderr",
  "onAgentExit",
];

test("every method has a test", () => {
  const methods = new Set<string>();
  for (let at: object = core.AgentOs.prototype; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    for (const name of Object.getOwnPropertyNames(at)) methods.add(name);
  }
  for (const name of ["constructor", "agents"]) methods.delete(name);
  assert.deepEqual([...methods].sort(), [...TESTED, ...SESSION_CALLS.map(([name]) => name as string)].sort());
});

test("sessions say that they are not there, and nothing else suffers", async () => {
  const vm = await core.AgentOs.create({ software: ["common", [{ name: "pi", type: "agent", agent: { id: "pi", acpAdapter: "@agentos/pi" } }]] });
  for (const [name, args] of SESSION_CALLS) {
    const method = vm[name] as (...args: unknown[]) => unknown;
    await failsWith(() => method.apply(vm, args), "unsupported", /session layer is not there yet/);
  }
  assert.deepEqual((await vm.listAgents()).map((agent) => [agent.id, agent.installed]), [["pi", false]]);
  assert.deepEqual(await vm.listSessions(), []);
  assert.deepEqual(await vm.listPendingPermissions(), []);
  assert.deepEqual(await vm.listPermissionGrants(), []);
  assert.equal(await vm.revokePermissionGrant("g"), false);
  vm.onAgentStderr(() => {})();
  vm.onAgentExit(() => {})();
  assert.equal((await vm.exec("echo fine")).stdout, "fine\n");
  await vm.dispose();
});
