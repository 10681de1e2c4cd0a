import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { addon, call, invoke, native, platform, toError } from "@agentos/native";
import { isActorError } from "@agentos/client";

test("a missing addon is one error with the fix in it", () => {
  const script = `
    import { call } from ${JSON.stringify(import.meta.resolve("@agentos/native"))};
    try { call((native) => native.commands()); } catch (error) { console.log(error.code + "\\n" + error.message); }
  `;
  const env = { ...process.env, AGENTOS_NATIVE_ADDON: "/no/such/addon.node" };
  const run = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8", env });
  assert.match(run.stdout, /^native_addon_missing\n.*\/no\/such\/addon\.node/, run.stderr);
});

test("the addon's package for this platform is one that npm installs by itself", async () => {
  const require = createRequire(import.meta.url);
  const manifest = async (name: string) => JSON.parse(await readFile(join(dirname(require.resolve(name)), name.endsWith("native") ? ".." : ".", "package.json"), "utf8"));
  const mine = `@agentos/native-${platform()}`;
  const { version, optionalDependencies } = await manifest("@agentos/native");
  assert.equal(optionalDependencies[mine], version);
  const [os, cpu] = platform().split("-");
  const found = await manifest(mine);
  assert.deepEqual([found.version, found.os, found.cpu, found.libc, found.main], [version, [os], [cpu], ["glibc"], "agentos.node"]);
});

test("the addon is looked for where Node.js looks: in the next node_modules that has it, whatever the names of the folders", async () => {
  const folder = await mkdtemp(join(tmpdir(), "agentos native %20 ü "));
  try {
    const require = createRequire(import.meta.url);
    const real = dirname(require.resolve(`@agentos/native-${platform()}`));
    const near = join(folder, "node_modules/@agentos");
    const far = join(folder, "node_modules/@agentos/native/node_modules/@agentos");
    await mkdir(join(near, "native/dist"), { recursive: true });
    await mkdir(far, { recursive: true });
    await copyFile(fileURLToPath(import.meta.resolve("@agentos/native")), join(near, "native/dist/index.js"));
    await writeFile(join(near, "native/package.json"), '{ "type": "module" }');
    const script = `import { call } from ${JSON.stringify(pathToFileURL(join(near, "native/dist/index.js")).href)};
      try { console.log(call((native) => native.commands()).includes("sh")); } catch (error) { console.log(error.code); }`;
    const { AGENTOS_NATIVE_ADDON: _, ...env } = process.env;
    const run = () => spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8", env });
    assert.equal(run().stdout, "native_addon_missing\n", run().stderr);
    await symlink(real, join(near, `native-${platform()}`));
    assert.equal(run().stdout, "true\n", run().stderr);
    // One that is nearer is taken, and what is wrong with it is said.
    await mkdir(join(far, `native-${platform()}`));
    await writeFile(join(far, `native-${platform()}`, "agentos.node"), "no library");
    assert.equal(run().stdout, "native_addon_missing\n", run().stderr);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("the addon has what the bridge knows", () => {
  assert.match(platform(), /^[a-z0-9]+-[a-z0-9]+/);
  for (const name of ["open", "drain", "settle", "cancel", "rest", "vmCreate", "vmCall", "vmDispose"]) {
    assert.equal(typeof addon()[name], "function", name);
  }
  assert.ok(call<string[]>((addon) => addon.commands()).includes("sh"));
});

test("values keep their kinds on both ways", async () => {
  const vm = await invoke<number>((addon, id) => addon.vmCreate(id, {}));
  // `settle` reads any value; what the addon refuses it names.
  for (const value of [undefined, null, true, 1.5, -0, 2n ** 70n, "\u{1f600}", new Date(5), [1, [2]], { a: { b: 1 } },
    new Map([["k", 1]]), new Set([1]), new Uint8Array([1]), Buffer.from("x"), new ArrayBuffer(2), new Uint8ClampedArray(1)]) {
    native().settle(0, true, value);
  }
  for (const value of [() => {}, Symbol("s"), Promise.resolve(), new Float32Array(1), { deep: { fn: () => {} } }]) {
    assert.throws(() => native().settle(0, true, value), (error) => {
      const told = toError(error);
      return isActorError(told) && told.code === "invalid_argument";
    });
  }
  const deep: unknown[] = [];
  let at = deep;
  for (let i = 0; i < 100; i++) at = (at[0] = []) as unknown[];
  assert.throws(() => native().settle(0, true, deep), (error) => /deeper than/.test((toError(error) as Error).message));
  assert.throws(() => native().settle(0, true, { get x() { throw new TypeError("getter"); } }), TypeError);
  assert.throws(() => native().vmCall("x" as never, 1, "stat", [], false), /must be a whole number/);
  await invoke((addon, id) => addon.vmDispose(vm, id));
});

test("an unknown action is named", async () => {
  const vm = await invoke<number>((addon, id) => addon.vmCreate(id, {}));
  await assert.rejects(invoke((addon, id) => addon.vmCall(vm, id, "nothing", [], false)), { code: "action_not_found" });
  await invoke((addon, id) => addon.vmDispose(vm, id));
  await assert.rejects(invoke((addon, id) => addon.vmCall(vm, id, "stat", ["/"], false)), { code: "vm_disposed" });
});

test("two copies of the bridge share one addon", async () => {
  const copy = (await import(new URL("index.js?copy", import.meta.resolve("@agentos/native")).href)) as typeof import("@agentos/native");
  const vm = await invoke<number>((addon, id) => addon.vmCreate(id, {}));
  assert.equal(await copy.invoke<boolean>((addon, id) => addon.vmCall(vm, id, "exists", ["/"], false)), true);
  await copy.invoke((addon, id) => addon.vmDispose(vm, id));
  assert.throws(() => native().open(() => {}), /open already/);
});
