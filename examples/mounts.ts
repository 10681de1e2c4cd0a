// A directory of the host, read-only, and a filesystem written in TypeScript.
import { createHostDirBackend, type FilesystemDriver } from "@agentos/core";
import { setup } from "@agentos/rivetkit";
import { agentOs } from "@agentos/rivetkit/agent-os";
import { createClient } from "@agentos/rivetkit/client";
import common from "@agentos/common";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const hostPath = mkdtempSync(join(tmpdir(), "agentos-example-"));
writeFileSync(join(hostPath, "notes.txt"), "from the host\n");

/** Documents that are made when they are read. */
const documents = new Map([["/today", () => "made at once\n"]]);
const driver: FilesystemDriver = {
  stat(path) {
    if (path === "/") return { type: "directory", size: 0 };
    const make = documents.get(path);
    if (make === undefined) throw Object.assign(new Error("no such document"), { code: "ENOENT" });
    return { type: "file", size: make().length };
  },
  readdir: () => [...documents.keys()].map((path) => path.slice(1)),
  readFile: (path) => documents.get(path)?.() ?? "",
};

const vm = agentOs({
  options: {
    software: [common],
    mounts: [
      { path: "/mnt/host", driver: createHostDirBackend({ hostPath }), readOnly: true },
      { path: "/mnt/documents", driver },
    ],
  },
});

const registry = setup({ use: { vm } });
const serving = await registry.listen({ port: 0 });
const agent = createClient<typeof registry>(serving.url).vm.getOrCreate("demo");
const { stdout } = await agent.exec("cat /mnt/host/notes.txt /mnt/documents/today");
console.log(stdout.trim());
// prints: from the host
// prints: made at once
await serving.close();
rmSync(hostPath, { recursive: true });
