import assert from "node:assert/strict";
import { test } from "node:test";
import * as core from "@agentos/core";

test("everything that is exported is known here", () => {
  assert.deepEqual(Object.keys(core).sort(), [
    "ActorError", "AgentOs", "InvalidScheduleError", "PastScheduleError", "Sidecar", "TimerScheduleDriver", "UserError",
    "createHostDirBackend", "createInMemoryFileSystem", "forgetHooks", "hostTool", "isActorError", "planKit", "planMount", "planOptions", "toolKit",
  ]);
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
