// Host tools of VMs of a registry.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setup } from "rivetkit";
import { agentOs } from "rivetkit/agent-os";
import { createClient } from "rivetkit/client";
import { hostTool, toolKit } from "@rivet-dev/agent-os-core";
import { temporary } from "./support.mjs";

/** A kit whose tool says who called it. */
function kit() {
  const who = hostTool({
    description: "Who calls",
    inputSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
    execute: (input, c) => ({ name: input.name, key: c.key, actorId: c.actorId, aborted: c.signal.aborted }),
  });
  return toolKit({ name: "ask", description: "Questions", tools: { who } });
}

for (const [name, made] of Object.entries({ "static options": (options) => options, "options of each VM": (options) => () => options })) {
  test(`tools in ${name} are told whose VM it is`, async (t) => {
    const vm = agentOs({ options: made({ software: ["common"], toolKits: [kit()] }) });
    const serving = await setup({ use: { vm }, dataDir: temporary() }).listen({ port: 0 });
    t.after(() => serving.close({ drain: false }));
    const handle = createClient(serving.url).vm.getOrCreate(["a", "b"]);
    const { stdout, stderr } = await handle.exec("agentos-ask who --name x");
    const { ok, result } = JSON.parse(stdout);
    assert.equal(ok, true, stderr);
    assert.deepEqual(result, { name: "x", key: ["a", "b"], actorId: await handle.resolve(), aborted: false });
    const listed = await handle.exec("agentos list-tools");
    assert.match(listed.stdout, /agentos-ask: Questions\n {2}who {2}Who calls\n/);
  });
}

test("kits are checked where they are defined", () => {
  const options = { toolKits: [{ ...kit(), name: "Not a name" }] };
  assert.throws(() => agentOs({ options }), (error) => {
    assert.equal(error.code, "invalid_config");
    assert.match(error.message, /^options\.toolKits\[0\]\.name/);
    return true;
  });
});
