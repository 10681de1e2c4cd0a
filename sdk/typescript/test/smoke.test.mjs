// The least that must work on a version of Node.js: a VM with commands, a driver and a tool, and a registry with a client.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createClient } from "@agentos/client";
import { AgentOs, hostTool, toolKit } from "@agentos/core";
import { UserError, setup } from "@agentos/rivetkit";
import { agentOs } from "@agentos/rivetkit/agent-os";

test("an embedded VM runs commands, reads a driver and calls a tool", async () => {
  const double = hostTool({
    description: "Twice a number",
    inputSchema: { type: "object", properties: { number: { type: "number" } }, required: ["number"] },
    execute: async ({ number }) => number * 2,
  });
  const driver = { stat: (path) => ({ type: path === "/" ? "directory" : "file", size: 6 }), readdir: () => ["f"], readFile: async () => "hello\n" };
  const vm = await AgentOs.create({
    software: ["common", "jq"],
    mounts: [{ path: "/m", driver }],
    toolKits: [toolKit({ name: "math", description: "Numbers", tools: { double } })],
  });
  assert.equal((await vm.exec("cat /m/f; agentos-math double --number 21 | jq .result")).stdout, "hello\n42\n");
  const large = new Uint8Array(5_000_000).fill(7);
  await vm.writeFile("/tmp/large", large);
  assert.ok(Buffer.from(large).equals(await vm.readFile("/tmp/large")));
  await assert.rejects(vm.readFile("/nothing"), { code: "ENOENT" });
  await vm.dispose();
});

test("a registry serves VMs, and its hooks decide", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "agentos-smoke-"));
  const vm = agentOs({
    options: { software: ["common"] },
    onBeforeConnect(_c, params) {
      if (params?.word !== "friend") throw new UserError("Forbidden", { code: "forbidden" });
    },
  });
  const served = await setup({ use: { vm }, dataDir }).listen({ port: 0 });
  const client = createClient(served.url);
  const friend = client.vm.getOrCreate(["a"], { params: { word: "friend" } });
  assert.equal((await friend.exec("echo served")).stdout, "served\n");
  const connection = friend.connect();
  const output = new Promise((resolve) => connection.on("processOutput", ({ data }) => resolve(Buffer.from(data).toString())));
  await connection.spawn("echo", ["event"]);
  assert.equal(await output, "event\n");
  await connection.dispose();
  await assert.rejects(client.vm.getOrCreate(["b"]).exec("true"), { code: "forbidden", message: "Forbidden" });
  await served.close();
  rmSync(dataDir, { recursive: true });
});
