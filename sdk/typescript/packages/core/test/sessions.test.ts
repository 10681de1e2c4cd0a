/** Sessions with an agent that is a program in the VM. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { AgentOs, type AgentOsOptions, type AgentCrashedEvent, type CronEvent, type PermissionRequest, type SequencedEvent } from "@agentos/core";
import { deferred, failsWith, text } from "./support.js";

/** Where `tests/sdk.sh` puts it. */
const AGENT = readFileSync("agents/agent.sh");

async function vmWithAgent(options: AgentOsOptions = {}): Promise<AgentOs> {
  const agent = { id: "tester", acpAdapter: "tester-acp", command: ["/home/user/agent.sh"] };
  const vm = await AgentOs.create({ software: ["common", agent], ...options });
  await vm.writeFile("/home/user/agent.sh", AGENT);
  await vm.exec("chmod +x agent.sh");
  return vm;
}

/** Kinds of updates, and methods of what is none. */
function kinds(events: { method: string; params?: unknown }[]): string[] {
  return events.map(({ method, params }) => (params as { update?: { sessionUpdate?: string } })?.update?.sessionUpdate ?? method);
}

/** A promise of the next request for permission. */
function nextRequest(vm: AgentOs, sessionId: string): Promise<PermissionRequest> {
  const { promise, resolve } = deferred<PermissionRequest>();
  const stop = vm.onPermissionRequest(sessionId, resolve);
  return promise.finally(stop);
}

test("a session from its beginning to its end", async () => {
  await using vm = await vmWithAgent();
  const record = await vm.createSession("tester");
  const id = record.sessionId;
  assert.match(id, /^ses_/);
  assert.deepEqual([record.agentType, record.status, record.agentInfo?.name], ["tester", "live", "tester"]);
  assert.deepEqual(await vm.getSession(id), record);
  assert.deepEqual(await vm.getSessionCapabilities(id), record.capabilities);
  assert.equal((await vm.getSessionCapabilities(id)).promptCapabilities?.image, true);
  assert.deepEqual(await vm.getSessionAgentInfo(id), { name: "tester", version: "1.2" });
  assert.deepEqual(await vm.listSessions(), [{ sessionId: id, agentType: "tester", status: "live" }]);

  const { response, text } = await vm.prompt(id, "hello there");
  assert.equal(text, "hello there");
  assert.deepEqual(response.result, { stopReason: "end_turn" });
  assert.deepEqual(kinds(await vm.getEvents(id)), ["user_message_chunk", "agent_message_chunk", "agentos/prompt_end"]);
  const sequenced = await vm.getSequencedEvents(id, { after: 0, limit: 1 });
  assert.deepEqual(sequenced.map((event) => event.sequenceNumber), [1]);
  assert.deepEqual(vm.getSessionEvents(id, { after: 0, limit: 1 }), sequenced);
  assert.deepEqual(vm.getSessionEvents(id).length, 3);

  assert.deepEqual((await vm.rawSend(id, "_tests/echo", { a: [1] })).result, { a: [1], sessionId: "s" });
  assert.equal((await vm.rawSessionSend(id, "_tests/nothing")).error?.code, -32601);
  assert.deepEqual((await vm.cancelSession(id)).result, { cancelled: false, requested: false, via: "none" });

  await vm.closeSession(id);
  assert.equal((await vm.getSession(id)).status, "closed");
  assert.deepEqual(await vm.listSessions(), []);
  const error = await failsWith(vm.sendPrompt(id, "x"), "session_not_found");
  assert.equal((error.metadata as { status: string }).status, "closed");
  assert.deepEqual(await vm.resumeSession(id), { sessionId: id, via: "transcript" });
  assert.equal((await vm.sendPrompt(id, "again")).text, "again");
  await vm.destroySession(id);
  await vm.destroySession(id);
  await failsWith(vm.getSession(id), "session_not_found", new RegExp(`session not found: ${id}`));
});

test("modes, models and options", async () => {
  await using vm = await vmWithAgent();
  const { sessionId: id } = await vm.createSession("tester");
  assert.equal((await vm.getModes(id))?.currentModeId, "ask");
  assert.deepEqual((await vm.getSessionConfigOptions(id)).map((option) => [option.category, option.currentValue]), [["model", "small"], ["mode", "ask"]]);
  const changed = await vm.setModel(id, "large");
  assert.equal(changed.result?.configOptions.find((option) => option.category === "model")?.currentValue, "large");
  assert.ok((await vm.setSessionModel(id, "small")).result);
  assert.ok((await vm.setMode(id, "act")).result);
  assert.ok((await vm.setSessionMode(id, "act")).result);
  assert.equal((await vm.getSessionModes(id))?.currentModeId, "act");
  assert.equal((await vm.getConfigOptions(id)).find((option) => option.category === "mode")?.currentValue, "act");
  assert.equal((await vm.setThoughtLevel(id, "high")).error?.code, -32601);
  assert.equal((await vm.setSessionThoughtLevel(id, "high")).error?.code, -32601);
});

test("listeners have all events when a prompt ends, and the first has what was before", async () => {
  await using vm = await vmWithAgent();
  const { sessionId: id } = await vm.createSession("tester");
  await vm.prompt(id, "one");
  const heard: number[] = [];
  const seen: string[] = [];
  const stop = vm.onSessionEvent(id, (event, sequenceNumber) => {
    heard.push(sequenceNumber);
    seen.push(...kinds([event]));
  });
  await vm.prompt(id, "count 700");
  const expected = vm.getSessionEvents(id);
  assert.equal(expected.length, 3 + 702);
  assert.deepEqual(heard, expected.map((event) => event.sequenceNumber));
  assert.deepEqual([seen[0], seen.at(-1)], ["user_message_chunk", "agentos/prompt_end"]);
  // A second listener hears from now on, and one that stops hears nothing more.
  const second: number[] = [];
  const both = vm.onSessionEvent(id, (_, sequenceNumber) => second.push(sequenceNumber));
  stop();
  await vm.prompt(id, "two");
  assert.deepEqual(second, [705, 706, 707]);
  assert.equal(heard.length, 705);
  both();
});

test("a listener that throws is reported, and harms nobody", async () => {
  await using vm = await vmWithAgent();
  const { sessionId: id } = await vm.createSession("tester");
  const warned = deferred<Error>();
  process.once("warning", warned.resolve);
  const heard: number[] = [];
  vm.onSessionEvent(id, () => {
    throw new Error("a listener's own");
  });
  vm.onSessionEvent(id, (_, sequenceNumber) => heard.push(sequenceNumber));
  await vm.prompt(id, "x");
  assert.deepEqual(heard, [0, 1, 2]);
  assert.match((await warned.promise).message, /a listener of session events failed: Error: a listener's own/);
});

test("what was long before is not told to a first listener", async () => {
  await using vm = await vmWithAgent();
  const { sessionId: id } = await vm.createSession("tester");
  await vm.prompt(id, `say ${"x".repeat(50_000)}`);
  await vm.prompt(id, `say ${"y".repeat(10_000)}`);
  const told = deferred<number>();
  vm.onSessionEvent(id, (_, sequenceNumber) => told.resolve(sequenceNumber));
  // Of the first prompt its end alone, which is short.
  assert.equal(await told.promise, 2);
});

test("a follower gets every event once, as slow as it likes", async () => {
  await using vm = await vmWithAgent();
  const { sessionId: id } = await vm.createSession("tester");
  await vm.prompt(id, "before");
  const running = vm.prompt(id, "count 400");
  const numbers: number[] = [];
  for await (const { sequenceNumber, notification } of vm.followSession(id, { from: 1 })) {
    numbers.push(sequenceNumber);
    if (sequenceNumber % 97 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (sequenceNumber > 3 && notification.method === "agentos/prompt_end") break;
  }
  await running;
  assert.deepEqual(numbers, Array.from({ length: 404 }, (_, at) => at + 1));

  // It ends with its session, and by its signal.
  const follow = async (signal?: AbortSignal): Promise<SequencedEvent[]> => {
    const events = [];
    for await (const event of vm.followSession(id, { from: 404, ...(signal === undefined ? {} : { signal }) })) events.push(event);
    return events;
  };
  const stop = new AbortController();
  const aborted = follow(stop.signal);
  stop.abort(new Error("enough"));
  await assert.rejects(aborted, /enough/);
  const ended = follow();
  await vm.destroySession(id);
  assert.deepEqual((await ended).map((event) => event.sequenceNumber), [404]);
  await failsWith(() => vm.followSession(id), "session_not_found");
});

test("followers of a disposed VM end", async () => {
  const vm = await vmWithAgent();
  const { sessionId: id } = await vm.createSession("tester");
  const following = (async () => {
    for await (const _ of vm.followSession(id)) assert.fail("nothing was said");
  })();
  const running = failsWith(vm.prompt(id, "wait"), "vm_disposed").catch((error: unknown) => error);
  await vm.dispose();
  await running;
  await following.catch(() => {});
  await failsWith(() => vm.followSession(id), "vm_disposed");
});

test("agents ask, and what is allowed is done", async () => {
  await using vm = await vmWithAgent();
  const { sessionId: id } = await vm.createSession("tester");
  const running = vm.prompt(id, "write /home/user/made content");
  const request = await nextRequest(vm, id);
  assert.deepEqual([request.paths, request.toolKind, request.description], [["/home/user/made"], "edit", "Write /home/user/made"]);
  assert.deepEqual((await vm.listPendingPermissions()).map((one) => one.permissionId), [request.permissionId]);
  assert.ok((await vm.vmStatus()).awakeBecause.includes(`permission:${request.permissionId}`));
  // Who listens later is told of what waits.
  assert.equal((await nextRequest(vm, id)).permissionId, request.permissionId);
  const answer = await vm.respondPermission(id, request.permissionId, "always", { scope: { paths: ["/home/user/**"] } });
  assert.deepEqual(answer.result, { permissionId: request.permissionId, reply: "always", via: "client" });
  assert.equal((await running).text, "written");
  assert.equal(text(await vm.readFile("/home/user/made")), "content");
  await failsWith(vm.respondPermission(id, request.permissionId, "once"), "permission_already_resolved");
  await failsWith(vm.respondPermission(id, "perm_none", "once"), "permission_not_found");

  assert.equal((await vm.prompt(id, "write /home/user/again x")).text, "written");
  const grants = await vm.listPermissionGrants(id);
  assert.deepEqual([grants.length, grants[0]?.uses, grants[0]?.scope.paths], [1, 1, ["/home/user/**"]]);
  assert.equal(await vm.revokePermissionGrant(grants[0]?.grantId ?? ""), true);
  assert.equal(await vm.revokePermissionGrant(grants[0]?.grantId ?? ""), false);
  const refused = vm.prompt(id, "write /home/user/never x");
  await vm.respondPermission(id, (await nextRequest(vm, id)).permissionId, "reject");
  assert.equal((await refused).text, "refused");
  assert.equal(await vm.exists("/home/user/never"), false);
});

test("policies of a session decide without anybody", async () => {
  await using vm = await vmWithAgent();
  const free = await vm.createSession("tester", { permissionPolicy: "allow_all" });
  assert.equal((await vm.prompt(free.sessionId, "write /home/user/f x")).text, "written");
  assert.equal((await vm.prompt(free.sessionId, "run cat f")).text, "x");
  const closed = await vm.createSession("tester", { permissionPolicy: "reject_all" });
  assert.equal((await vm.prompt(closed.sessionId, "write /home/user/f y")).text, "refused");
  // What was approved is still what a guest may do.
  assert.match((await vm.prompt(free.sessionId, "write /etc/passwd x")).text, /EACCES/);
});

test("environment, secrets of the host, and instructions", async (t) => {
  process.env["AGENTOS_SECRET_MODEL_KEY"] = "hunter2";
  t.after(() => delete process.env["AGENTOS_SECRET_MODEL_KEY"]);
  await using vm = await vmWithAgent({ additionalInstructions: "Of the VM." });
  const { sessionId: id } = await vm.createSession("tester", {
    env: { PLAIN: "value", KEY: { secret: "MODEL_KEY" } },
    additionalInstructions: "Of the session.",
    cwd: "/tmp",
  });
  assert.equal((await vm.prompt(id, "env PLAIN")).text, "value");
  assert.equal((await vm.prompt(id, "env KEY")).text, "hunter2");
  assert.equal((await vm.prompt(id, "env PWD")).text, "/tmp");
  const instructions = (await vm.prompt(id, "instructions")).text;
  assert.ok(instructions.indexOf("Of the VM.") < instructions.indexOf("Of the session."), instructions);
  assert.match(instructions, /agentOS virtual machine/);
  await failsWith(vm.createSession("tester", { env: { KEY: { secret: "NOT_THERE" } } }), "invalid_config", /options\.env\.KEY\.secret/);
});

test("prompts wait in their order, and are cancelled", async () => {
  await using vm = await vmWithAgent();
  const { sessionId: id } = await vm.createSession("tester");
  const [first, second] = [vm.prompt(id, "wait"), vm.prompt(id, "second")];
  assert.deepEqual((await vm.vmStatus()).awakeBecause, [`prompt:${id}`]);
  for await (const { notification } of vm.followSession(id)) if (kinds([notification])[0] === "agent_message_chunk") break;
  assert.deepEqual((await vm.cancelPrompt(id)).result, { cancelled: true, requested: true, via: "session/cancel" });
  assert.deepEqual((await first).response.result, { stopReason: "cancelled" });
  assert.equal((await second).text, "second");
  await failsWith(vm.prompt(id, "wait", { timeoutMs: 50 }), "prompt_timeout");

  // Aborting cancels: the prompt that runs, and one that waits without harm to the one that runs.
  const stop = new AbortController();
  const aborted = vm.prompt(id, "wait", { signal: stop.signal });
  stop.abort(new Error("no more"));
  await assert.rejects(aborted, /no more/);
  assert.equal((await vm.prompt(id, "goes on")).text, "goes on");
  const slow = vm.prompt(id, "count 300");
  const later = new AbortController();
  const waiting = vm.prompt(id, "wait", { signal: later.signal });
  later.abort();
  await assert.rejects(waiting, { name: "AbortError" });
  assert.equal((await slow).text.split(" ").length, 301);
  assert.equal((await vm.prompt(id, "last")).text, "last");
  await assert.rejects(vm.prompt(id, "x", { signal: AbortSignal.abort(new Error("never")) }), /never/);
});

test("a session whose creation is aborted is not left behind", async () => {
  await using vm = await vmWithAgent();
  const stop = new AbortController();
  const made = vm.createSession("tester", { signal: stop.signal });
  stop.abort(new Error("changed my mind"));
  await assert.rejects(made, /changed my mind/);
  while ((await vm.listSessions()).length > 0 || (await vm.allProcesses()).some((process) => process.exitCode === null)) {
    await new Promise((resolve) => setImmediate(resolve));
  }
});

test("agents that complain and die", async (t) => {
  // A listener alone does not keep the process.
  const awake = setInterval(() => {}, 1000);
  t.after(() => clearInterval(awake));
  await using vm = await vmWithAgent();
  const { sessionId: id } = await vm.createSession("tester");
  const complaint = deferred<string>();
  const died = deferred<AgentCrashedEvent>();
  vm.onAgentStderr(({ sessionId, data }) => complaint.resolve(`${sessionId}: ${text(data)}`));
  vm.onAgentExit(died.resolve);
  await vm.prompt(id, "complain about everything");
  assert.equal(await complaint.promise, `${id}: about everything\n`);
  const error = await failsWith(vm.prompt(id, "die"), "agent_crashed");
  const { exitCode, stderrTail } = error.metadata as { exitCode: number; stderrTail: string };
  assert.equal(exitCode, 9);
  assert.match(stderrTail, /last words\n$/);
  const { sessionId, restart, restartCount } = await died.promise;
  assert.deepEqual([sessionId, restart, restartCount], [id, "restarted", 1]);
  assert.equal((await vm.prompt(id, "still here")).response.error, undefined);
});

test("scheduled prompts", async () => {
  const entries: { run(): void }[] = [];
  const scheduleDriver = { schedule: (entry: { run(): void }) => entries.push(entry), cancel: () => {}, dispose: () => {} };
  await using vm = await vmWithAgent({ scheduleDriver });
  const ended = async (prompt: string): Promise<CronEvent["event"]> => {
    const { promise, resolve } = deferred<CronEvent["event"]>();
    const stop = vm.onCronEvent((event) => event.type === "cron:fire" || resolve(event));
    const { cancel } = vm.scheduleCron({ schedule: "0 0 1 1 *", action: { type: "session", agentType: "tester", prompt, cwd: "/tmp" } });
    entries.at(-1)?.run();
    return promise.finally(() => (stop(), cancel()));
  };
  assert.equal((await ended("hello")).type, "cron:complete");
  // Its history is kept.
  assert.deepEqual(await vm.listSessions(), []);
  const failed = await ended("die");
  assert.equal(failed.type === "cron:error" && (failed.error as { code: string }).code, "agent_crashed");
  await failsWith(() => vm.scheduleCron({ schedule: "* * * * *", action: { type: "session", agentType: "tester" } as never }), "invalid_config", /job\.action\.prompt/);
});

test("what is wrong is said", async () => {
  await using vm = await vmWithAgent();
  await failsWith(vm.createSession("testr"), "agent_not_installed", /did you mean tester\?/);
  await failsWith(vm.createSession("pi"), "agent_not_installed", /pi-acp/);
  await failsWith(vm.createSession("/bin/true"), "agent_start_failed");
  await failsWith(vm.createSession("tester", { cwd: "here" }), "invalid_argument", /options\.cwd/);
  await failsWith(vm.createSession("tester", { polcy: 1 } as never), "invalid_argument", /polcy/);
  const { sessionId: id } = await vm.createSession("tester");
  await failsWith(vm.prompt(id, 5 as never), "invalid_argument", /text/);
  await failsWith(vm.prompt(id, "x", { timeout: 5 } as never), "invalid_argument", /timeout/);
  await failsWith(vm.getEvents(id, { since: 1, after: 1 }), "invalid_argument", /since or after/);
  await failsWith(() => vm.followSession(id, { from: -1 }), "invalid_argument", /options\.from/);
  await failsWith(() => vm.followSession(id, { since: 1 } as never), "invalid_argument", /options\.since/);
  await failsWith(() => vm.onSessionEvent(id, "x" as never), "invalid_argument", /listener/);
  await failsWith(() => vm.onSessionEvent("ses_none", () => {}), "session_not_found");
  await failsWith(vm.rawSend(id, "session/new"), "invalid_argument");
  await failsWith(vm.respondPermission(id, "p", "perhaps" as never), "invalid_argument", /reply/);
  assert.deepEqual((await vm.listAgents()).filter((agent) => agent.installed).map((agent) => agent.id), ["tester"]);
  for (const command of [[], [5], 5]) {
    const software = [{ id: "x", acpAdapter: "x", command }] as never;
    await failsWith(AgentOs.create({ software }), "invalid_config", /software\[0\]\.command/);
  }
  await failsWith(AgentOs.create({ image: "/nowhere/at/all.tar" }), "invalid_config", /image\[0\]/);
});

test("files of the script do not keep an agent from its work", async () => {
  const notes = new Map([["/todo", "buy milk\n"]]);
  const driver = {
    stat: async (path: string) => {
      if (path === "/") return { type: "directory" as const, size: 0 };
      const note = notes.get(path);
      if (note === undefined) throw Object.assign(new Error("no such note"), { code: "ENOENT" });
      return { type: "file" as const, size: note.length };
    },
    readdir: async () => [...notes.keys()].map((path) => path.slice(1)),
    readFile: async (path: string) => notes.get(path) ?? "",
  };
  await using vm = await vmWithAgent({ mounts: [{ path: "/notes", driver }] });
  const { sessionId: id } = await vm.createSession("tester");
  assert.equal((await vm.prompt(id, "run cat /notes/todo")).text, "buy milk");
  assert.ok((await vm.listAgents()).some((agent) => agent.id === "tester"));
});
