import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { AgentOs, type AgentOsOptions, createHostDirBackend, createInMemoryFileSystem } from "@agentos/core";
import { failsWith, text } from "./support.js";

const software = ["common"];

test("a snapshot as bytes starts a VM in another process", async () => {
  const folder = await mkdtemp(join(tmpdir(), "agentos-snapshot-"));
  try {
    await using vm = await AgentOs.create({ software });
    await vm.exec("mkdir d; echo hello > d/f; ln -s d/f l; chmod 600 d/f");
    const kept = await vm.snapshotRootFilesystem();
    await vm.exec("echo later > d/f");
    const file = join(folder, "snapshot.tar");
    await writeFile(file, await kept.toBytes());
    await kept.dispose();
    const program = `
      import { readFile } from "node:fs/promises";
      import { AgentOs } from "@agentos/core";
      const vm = await AgentOs.create({ software: ["common"], rootFilesystem: { snapshot: await readFile(${JSON.stringify(file)}) } });
      console.log((await vm.exec("cat l; stat -c %a d/f")).stdout);
      await vm.dispose();`;
    const script = join(import.meta.dirname ?? ".", "from-snapshot.mjs");
    await writeFile(script, program);
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [script]);
      assert.equal(stdout, "hello\n600\n\n");
    } finally {
      await rm(script);
    }
    await using here = await AgentOs.create({ software, rootFilesystem: { snapshot: new Uint8Array(await readFile(file)) } });
    assert.equal(text(await here.readFile("/home/user/l")), "hello\n");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("what is no snapshot is refused before anything starts", async () => {
  const refused = (rootFilesystem: unknown, message: RegExp) =>
    failsWith(AgentOs.create({ software, rootFilesystem } as AgentOsOptions), "invalid_config", message);
  await refused({ snapshot: new Uint8Array(1024) }, /something else/);
  await refused({ snapshot: new Uint8Array(0) }, /ends too early/);
  await refused({ snapshot: "text" }, /rootFilesystem\.snapshot.*Uint8Array/s);
  await refused({ mode: "own" }, /rootFilesystem\.mode/);
  await refused({ lowers: [{}] }, /rootFilesystem\.lowers\[0\]\.stat/);
  await refused({ snapshots: [] }, /did you mean snapshot/);
  await refused({ snapshot: new Uint8Array(1024), lowers: [createInMemoryFileSystem()] }, /layers/);
  await failsWith(AgentOs.create({ rootFilesystem: { disableDefaultBaseLayer: true as never } }), "unsupported", /base layer/);
});

test("layers lie over the base, and a read-only root does not change", async () => {
  const folder = await mkdtemp(join(tmpdir(), "agentos-layer-"));
  try {
    await writeFile(join(folder, "given"), "from the host\n");
    const top = {
      stat: (path: string) => {
        if (path === "/") return { type: "directory" as const, size: 0 };
        if (path === "/script") return { type: "file" as const, size: 12 };
        throw Object.assign(new Error("nothing"), { code: "ENOENT" });
      },
      readdir: () => ["script"],
      readFile: () => "from script\n",
    };
    await using vm = await AgentOs.create({ software, rootFilesystem: { lowers: [top, createHostDirBackend({ hostPath: folder })] } });
    assert.equal((await vm.exec("cat /script /given")).stdout, "from script\nfrom the host\n");
    assert.equal((await vm.exec("echo x > /home/user/f && cat /home/user/f")).stdout, "x\n");
    await using fixed = await AgentOs.create({ software, rootFilesystem: { mode: "readonly" }, mounts: [{ path: "/out", driver: createInMemoryFileSystem() }] });
    assert.match((await fixed.exec("echo x > /tmp/f")).stderr, /Read-only file system/);
    assert.equal((await fixed.exec("echo x > /out/f && cat /out/f")).stdout, "x\n");
    await failsWith(fixed.writeFile("/home/user/f", "x"), "EROFS");
    assert.equal(text(await readFile(join(folder, "given"))), "from the host\n");
  } finally {
    await rm(folder, { recursive: true });
  }
});
