// Mounts of VMs of a registry, filesystems written in JavaScript among them.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setup } from "rivetkit";
import { agentOs } from "rivetkit/agent-os";
import { createClient } from "rivetkit/client";
import { createHostDirBackend, createInMemoryFileSystem } from "@rivet-dev/agent-os-core";
import { temporary } from "./support.mjs";

/** A filesystem of one file, which says how often it was read. */
function counting() {
  let reads = 0;
  const enoent = () => Object.assign(new Error("nothing here"), { code: "ENOENT" });
  return {
    stat(path) {
      if (path === "/") return { type: "directory", size: 0 };
      if (path === "/count") return { type: "file", size: 16 };
      throw enoent();
    },
    readdir: () => ["count"],
    readFile: () => String(++reads).padEnd(16, "\n"),
  };
}

test("drivers and plugins", async (t) => {
  const hostPath = temporary();
  writeFileSync(join(hostPath, "from-host"), "host\n");
  const driver = counting();
  const vm = agentOs({
    options: (c) => ({
      software: ["common"],
      mounts: [
        { path: "/mnt/host", driver: createHostDirBackend({ hostPath }), readOnly: true },
        { path: "/mnt/memory", driver: createInMemoryFileSystem() },
        { path: "/mnt/own", driver },
        { path: `/mnt/${c.key[0]}`, plugin: { id: "memory" } },
      ],
    }),
  });
  const serving = await setup({ use: { vm }, dataDir: temporary() }).listen({ port: 0 });
  t.after(() => serving.close({ drain: false }));
  const client = createClient(serving.url);
  const one = client.vm.getOrCreate(["one"]);
  const { stdout, stderr } = await one.exec("cat /mnt/host/from-host; echo x > /mnt/host/x; ls /mnt; cat /mnt/own/count");
  assert.match(stderr, /Read-only file system/);
  assert.deepEqual(stdout.trim().split("\n"), ["host", "host", "memory", "one", "own", "1"]);
  assert.deepEqual(await one.readdir("/mnt/memory"), []);
  const two = client.vm.getOrCreate(["two"]);
  assert.ok(Number((await two.exec("cat /mnt/own/count")).stdout) > 1);
});
