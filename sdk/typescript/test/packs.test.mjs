// What is published: npm finds the addon's package for a platform, and takes no other one. The addons are stand-ins.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";

const sources = join(process.env.AGENTOS_ROOT, "sdk/typescript");
let folder;
let registry;
let url;

/** A copy of the workspace, built as it is, without anything that was installed or made into an addon. */
function copy(name) {
  const to = join(folder, name);
  const filter = (path) => !["node_modules", "build", "test"].includes(basename(path)) && !path.endsWith(".node");
  for (const part of ["scripts", "packages", "platforms"]) cpSync(join(sources, part), join(to, part), { recursive: true, filter });
  return to;
}

const pack = (workspace, packs) =>
  execFileSync(process.execPath, [join(workspace, "scripts/pack.mjs"), packs], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "agentos-packs-"));
  const workspace = copy("both");
  writeFileSync(join(workspace, "packages/native-linux-x64-gnu/agentos.node"), "x64");
  writeFileSync(join(workspace, "platforms/native-linux-arm64-gnu/agentos.node"), "arm64");
  pack(workspace, join(folder, "packs"));
  registry = spawn(process.execPath, [join(workspace, "scripts/registry.mjs"), join(folder, "packs")], { stdio: ["ignore", "pipe", "inherit"] });
  url = await new Promise((resolve, reject) => {
    registry.stdout.once("data", (line) => resolve(String(line).trim()));
    registry.once("exit", reject);
  });
});
after(() => {
  registry?.kill();
  rmSync(folder, { recursive: true });
});

for (const [cpu, name] of ["x64", "arm64"].flatMap((cpu) => [[cpu, "native"], [cpu, "core"]])) {
  test(`on ${cpu} npm installs with @agentos/${name} the addon for it, and no other`, () => {
    const app = join(folder, `${cpu}-${name}`);
    mkdirSync(app);
    writeFileSync(join(app, ".npmrc"), `@agentos:registry=${url}\n`);
    const platform = [`--cpu=${cpu}`, "--os=linux", "--libc=glibc"];
    execFileSync("npm", ["install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", ...platform, `@agentos/${name}`], { cwd: app, stdio: "pipe" });
    const installed = join(app, "node_modules/@agentos");
    assert.deepEqual(readdirSync(installed).sort(), ["client", name, `native-linux-${cpu}-gnu`]);
    assert.equal(readFileSync(join(installed, `native-linux-${cpu}-gnu/agentos.node`), "utf8"), cpu);
  });
}

test("what is packed are all packages, and those of platforms by their addons", () => {
  const folders = readdirSync(join(sources, "packages")).concat(readdirSync(join(sources, "platforms")));
  assert.equal(readdirSync(join(folder, "packs")).length, folders.length);
  const workspace = copy("one");
  writeFileSync(join(workspace, "platforms/native-linux-arm64-gnu/agentos.node"), "arm64");
  const names = pack(workspace, join(folder, "one-pack")).trim().split("\n");
  assert.equal(names.length, folders.length - 1);
  assert.ok(names.includes("agentos-native-linux-arm64-gnu-0.1.0.tgz") && !names.some((name) => name.includes("x64")), names.join());
});

test("without any addon nothing is packed", () => {
  const workspace = copy("none");
  assert.throws(() => pack(workspace, join(folder, "no-packs")), (error) => /no addon has been built/.test(error.stderr));
});
