// What a user sees whose installation lacks the addon for the platform, with the packages as they are installed here.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

let folder;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "agentos-missing-"));
  mkdirSync(join(folder, "node_modules/@agentos"), { recursive: true });
  for (const name of ["client", "native", "core", "rivetkit", "common"]) {
    const main = dirname(fileURLToPath(import.meta.resolve(`@agentos/${name}`)));
    const root = name === "common" ? main : dirname(main);
    cpSync(root, join(folder, "node_modules/@agentos", name), { recursive: true, dereference: true, filter: (path) => !path.slice(root.length).includes("node_modules") });
  }
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
});
after(() => rmSync(folder, { recursive: true }));

/** Runs a script there, on a platform of this name. */
function run(script, platform = process.platform) {
  const text = `Object.defineProperty(process, "platform", { value: ${JSON.stringify(platform)} });\n${script}`;
  writeFileSync(join(folder, "main.mjs"), text);
  const { AGENTOS_NATIVE_ADDON: _, ...env } = process.env;
  return spawnSync(process.execPath, ["main.mjs"], { cwd: folder, env, encoding: "utf8", timeout: 60_000 });
}

const USES = {
  "an embedded VM": `import { AgentOs } from "@agentos/core"; await AgentOs.create({ software: ["common"] })`,
  "a definition": `import { agentOs } from "@agentos/rivetkit/agent-os"; agentOs({ options: {} })`,
};

for (const [what, use] of Object.entries(USES)) {
  test(`${what} without the addon is one error that says what to install`, () => {
    const { stdout, stderr } = run(`process.on("uncaughtException", (error) => console.log(error.group, error.code, error.message)); ${use}`);
    assert.match(stdout, /^agentos native_addon_missing agentOS did not find its native addon (@agentos\/native-linux-\w+-gnu); install it with "npm install \1"/, stderr);
  });

  test(`${what} on a platform without an addon says which there are`, () => {
    const { stdout, stderr } = run(`process.on("uncaughtException", (error) => console.log(error.code, error.message)); ${use}`, "sunos");
    assert.match(stdout, /^native_addon_missing agentOS has no native addon for sunos-\w+ \(there are linux-x64-gnu, linux-arm64-gnu\); build one from source/, stderr);
  });
}

test("packages that need no addon work without one", () => {
  const { stdout, stderr } = run(`import { createClient } from "@agentos/client"; import common from "@agentos/common"; console.log(typeof createClient, common.name);`);
  assert.equal(stdout, "function common\n", stderr);
});
