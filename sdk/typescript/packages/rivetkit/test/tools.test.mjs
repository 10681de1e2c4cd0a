// Host tools of VMs of a registry.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setup } from "rivetkit";
import { agentOs } from "rivetkit/agent-os";
import { createClient } from "rivetkit/client";
import { hostTool, toolKit } from "@rivet-dev/agent-os-core";
import { hookCount } from "@agentos/native";
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

test("kits that are made at each boot are given up at the next", async (t) => {
  const shared = kit();
  let boots = 0;
  const options = () => {
    boots += 1;
    return { software: ["common"], toolKits: [shared, toolKit({ ...kit(), name: `own${boots}` })] };
  };
  const vm = agentOs({ options });
  const serving = await setup({ use: { vm }, dataDir: temporary() }).listen({ port: 0 });
  t.after(() => serving.close({ drain: false }));
  const { vm: vms } = createClient(serving.url);
  const [first, other] = [vms.getOrCreate("first"), vms.getOrCreate("other")];
  const asked = async (handle, kit) => JSON.parse((await handle.exec(`agentos-${kit} who --name x`)).stdout).ok;
  // One of each, and the one that all have.
  assert.ok((await asked(first, "own1")) && (await asked(other, "own2")));
  const count = hookCount();
  for (let boot = 3; boot < 8; boot += 1) {
    await first.sleepVm();
    assert.ok((await asked(first, `own${boot}`)) && (await asked(first, "ask")));
    assert.equal(hookCount(), count);
  }
  assert.ok((await asked(other, "own2")) && (await asked(other, "ask")));
});

test("kits are checked where they are defined", () => {
  const options = { toolKits: [{ ...kit(), name: "Not a name" }] };
  assert.throws(() => agentOs({ options }), (error) => {
    assert.equal(error.code, "invalid_config");
    assert.match(error.message, /^options\.toolKits\[0\]\.name/);
    return true;
  });
});
