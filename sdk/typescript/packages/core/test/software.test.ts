/** Software of this user's store. AGENTOS_BIN is the command `agentos`, which adds it to a store of this test's. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { AgentOs } from "@agentos/core";
import { failsWith } from "./support.js";

const bin = process.env["AGENTOS_BIN"];
const options = { skip: bin === undefined ? "AGENTOS_BIN is not set" : false };
let greet = "";

/** An archive of one program, in the store. */
async function added(folder: string, name: string, program: string): Promise<string> {
  const tree = join(folder, name);
  const command = join(tree, "usr/local/bin", name);
  await mkdir(join(tree, "usr/local/bin"), { recursive: true });
  await copyFile(program, command);
  await chmod(command, 0o755);
  const archive = join(folder, `${name}.tar`);
  execFileSync("tar", ["-C", tree, "-cf", archive, "."]);
  execFileSync(bin ?? "", ["software", "add", `tar:${archive}`], { stdio: ["ignore", "ignore", "inherit"] });
  return `tar:${archive}`;
}

before(async () => {
  if (bin === undefined) return;
  const folder = await mkdtemp(join(tmpdir(), "agentos-software-"));
  process.env["AGENTOS_STORE"] = join(folder, "store");
  const script = join(folder, "script");
  await writeFile(script, "#!/bin/sh\necho hello $1\n");
  greet = await added(folder, "greet", script);
  await added(folder, "tester", script);
});

test("a VM has software of the store, by the words that it was added with or by its name", options, async () => {
  for (const software of [["common", greet], [["greet"], "common"], ["common", { name: "greet" }, greet]]) {
    await using vm = await AgentOs.create({ software });
    assert.equal((await vm.exec("greet you")).stdout, "hello you\n");
  }
});

test("a VM that runs is given software of the store", options, async () => {
  await using vm = await AgentOs.create({ software: ["common"] });
  assert.equal((await vm.exec("greet you")).exitCode, 127);
  assert.deepEqual(await vm.addSoftware(greet), { commands: ["greet"], kept: [] });
  assert.equal((await vm.exec("greet you")).stdout, "hello you\n");
  await failsWith(vm.addSoftware("greet"), "software_exists");
  await failsWith(vm.addSoftware("common"), "invalid_argument", /when a VM is created/);
});

test("what the store lacks is told with the nearest name or what adds it", options, async () => {
  await failsWith(AgentOs.create({ software: ["testr"] }), "invalid_config", /^software\[0\]: .*did you mean tester\?/);
  await failsWith(AgentOs.create({ software: ["common", ["npm:nothing"]] }), "invalid_config", /^software\[1\]\[0\]: .*agentos software add npm:nothing/);
  await using vm = await AgentOs.create();
  await failsWith(vm.addSoftware("greeet"), "invalid_argument", /did you mean greet\?/);
  await failsWith(vm.addSoftware("npm:nothing"), "invalid_argument", /agentos software add npm:nothing/);
  await failsWith(vm.addSoftware(5 as never), "invalid_config");
});
