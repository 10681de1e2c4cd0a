// Stock RivetKit clients against `registry.start()`. Their packages are where AGENTOS_TEST_CLIENTS says.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { serve } from "./support.mjs";

const clients = process.env.AGENTOS_TEST_CLIENTS;
const VERSIONS = ["2.0.33", "2.2.1", "2.3.11", "2.3.19"];

for (const version of VERSIONS) {
  test(`rivetkit ${version}`, { skip: clients === undefined }, async (t) => {
    const { url } = await serve(t, "programs/ports.js");
    const child = spawn(process.execPath, ["vm.mjs", version, url], { cwd: clients, stdio: ["ignore", "pipe", "ignore"] });
    let printed = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (printed += text));
    const code = await new Promise((resolve) => child.on("close", resolve));
    const results = printed.split("\n").filter((line) => line.startsWith("@@")).map((line) => JSON.parse(line.slice(2)));
    assert.equal(code, 0);
    assert.ok(results.length >= 24, `${results.length} scenarios`);
    assert.deepEqual(results.filter(({ error }) => error !== null), []);
  });
}
