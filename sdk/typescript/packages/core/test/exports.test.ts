import assert from "node:assert/strict";
import { test } from "node:test";
import { readFileSync, readdirSync } from "node:fs";
import * as client from "@agentos/client";
import * as core from "@agentos/core";

test("everything that is exported is known here", () => {
  assert.deepEqual(Object.keys(core).sort(), [
    "ActorError", "AgentOs", "InvalidScheduleError", "PastScheduleError", "Sidecar", "TimerScheduleDriver", "UserError",
    "createHostDirBackend", "createInMemoryFileSystem", "forgetHooks", "hostTool", "isActorError", "planKit", "planMount", "planOptions", "toolKit",
  ]);
});

test("the package is one module, which begins without any other that takes memory", () => {
  const dist = new URL(".", import.meta.resolve("@agentos/core"));
  const modules = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"));
  assert.deepEqual(modules, ["index.js"]);
  const imports = [...readFileSync(new URL("index.js", dist), "utf8").matchAll(/^(?:import|export)\b.*"([^"]*)";$/gm)].map(([, name]) => name);
  assert.deepEqual(imports, ["node:path"]);
});

test("errors have the classes of each package", () => {
  assert.equal(core.AgentOs.name, "AgentOs");
  for (const name of ["ActorError", "UserError", "InvalidScheduleError", "PastScheduleError"] as const) {
    for (const [here, there] of [[core, client], [client, core]] as const) {
      const error = here[name].from({ group: "user", code: "c", message: "m" });
      assert.equal(error instanceof there.ActorError, true);
      assert.equal(error instanceof there.UserError, true);
      assert.equal(error instanceof there.PastScheduleError, false);
      assert.equal(there.isActorError(error), true);
      assert.equal(here[name].name, name);
    }
  }
  class Own extends core.UserError {}
  const own = new Own("mine");
  assert.deepEqual([own instanceof Own, own instanceof client.UserError, own instanceof client.InvalidScheduleError], [true, true, false]);
  assert.deepEqual([new core.UserError("other") instanceof Own, (new Error("plain") as unknown) instanceof client.ActorError, (null as unknown) instanceof client.ActorError], [false, false, false]);
});

/** Methods that other tests call. */
const TESTED = [
  "readFile", "writeFile", "readFiles", "writeFiles", "mkdir", "readdir", "readdirRecursive", "stat", "exists", "move",
  "deleteFile", "delete", "asHost", "exec", "execArgv", "spawn", "writeProcessStdin", "closeProcessStdin", "waitProcess",
  "listProcesses", "getProcess", "allProcesses", "processTree", "stopProcess", "killProcess", "signalProcess",
  "onProcessStdout", "onProcessStderr", "onProcessExit", "openShell", "writeShell", "resizeShell", "closeShell", "listShells",
  "onShellData", "onShellExit", "connectTerminal", "fetch", "vmFetch", "mountFs", "unmountFs", "listMounts",
  "addSoftware", "snapshotRootFilesystem", "scheduleCron", "listCronJobs", "cancelCronJob", "onCronEvent", "policy", "usage", "vmStatus",
  "onLimitWarning", "dispose", "isDisposed",
  "listAgents", "createSession", "listSessions", "getSession", "resumeSession", "sendPrompt", "prompt", "cancelPrompt",
  "cancelSession", "closeSession", "destroySession", "setModel", "setMode", "setThoughtLevel", "setSessionModel",
  "setSessionMode", "setSessionThoughtLevel", "getModes", "getConfigOptions", "getSessionModes", "getSessionConfigOptions",
  "getSessionCapabilities", "getSessionAgentInfo", "getEvents", "getSequencedEvents", "getSessionEvents", "followSession",
  "rawSend", "rawSessionSend", "respondPermission", "listPendingPermissions", "listPermissionGrants", "revokePermissionGrant",
  "onSessionEvent", "onPermissionRequest", "onAgentStderr", "onAgentExit",
];

test("every method has a test", () => {
  const methods = new Set<string>();
  for (let at: object = core.AgentOs.prototype; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    for (const name of Object.getOwnPropertyNames(at)) methods.add(name);
  }
  for (const name of ["constructor", "sessions"]) methods.delete(name);
  assert.deepEqual([...methods].sort(), [...TESTED].sort());
});
