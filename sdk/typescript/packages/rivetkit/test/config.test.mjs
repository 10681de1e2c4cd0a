// What is wrong with a configuration is said at once, with its path.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ActorDefinition, actor, setup } from "rivetkit";
import { VmDefinition, agentOs } from "rivetkit/agent-os";

function refused(make, path, text) {
  assert.throws(make, (error) => {
    assert.equal(error.code, "invalid_config", String(error));
    assert.equal(error.metadata.path, path);
    assert.match(error.message, text);
    return true;
  });
}

test("definitions of VMs", () => {
  assert.ok(agentOs() instanceof VmDefinition);
  agentOs({ options: { software: ["common", ["jq", "pi"]] }, preview: { maxExpiresInSeconds: 7200 } });
  agentOs({ options: { software: ["common", ["jq"]], persist: "all" } });
  refused(() => agentOs({ onConect() {} }), "onConect", /did you mean onConnect/);
  refused(() => agentOs({ onConnect: "yes" }), "onConnect", /must be a function, got a string/);
  refused(() => agentOs({ options: { sofware: [] } }), "options.sofware", /did you mean software/);
  refused(
    () => agentOs({ options: { limits: { resources: { maxProceses: 1 } } } }),
    "options.limits.resources.maxProceses",
    /did you mean maxProcesses/,
  );
  refused(() => agentOs({ options: { limits: { resources: { maxProcesses: "many" } } } }), "options.limits.resources.maxProcesses", /must be/);
  refused(() => agentOs({ options: { software: ["comon"] } }), "options.software[0]", /did you mean common/);
  refused(() => agentOs({ options: { env: { A: () => "x" } } }), "options.env.A", /got a function/);
  refused(() => agentOs({ options: { loopbackExemptPorts: [0] } }), "options.loopbackExemptPorts[0]", /between 1 and 65535/);
  refused(() => agentOs({ sleep: { idleTimeoutMs: -1 } }), "sleep.idleTimeoutMs", /must be an integer/);
  refused(() => agentOs(5), "agentOs(config)", /must be an object/);
  refused(() => agentOs({ options: { toolKits: [{}] } }), "options.toolKits[0].name", /string/);
});

test("registries", () => {
  const vm = agentOs();
  setup({ use: { vm } });
  refused(() => setup({ use: { vm }, datadir: "/tmp" }), "datadir", /did you mean dataDir/);
  refused(() => setup({ use: { vm }, limits: { maxVmz: 1 } }), "limits.maxVmz", /did you mean maxVms/);
  refused(() => setup({ use: { vm: {} } }), "use.vm", /agentOs/);
  refused(() => setup({ use: { ["x".repeat(65)]: vm } }), `use.${"x".repeat(65)}`, /1 to 64/);
  refused(() => setup(), "setup(config)", /must be an object/);
});

test("actors", () => {
  const counter = actor({ state: { since: new Date() }, actions: { get: (c) => c.state } });
  assert.ok(counter instanceof ActorDefinition);
  refused(() => actor({ actions: { get: 5 } }), "actions.get", /must be a function/);
  refused(() => actor({ onWakeUp() {} }), "onWakeUp", /did you mean onWake/);
});
