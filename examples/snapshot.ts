// The files of an embedded VM as bytes: kept in a file of the host, and started from later, in any process.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentOs } from "@agentos/core";

const folder = await mkdtemp(join(tmpdir(), "agentos-example-"));
const file = join(folder, "project.tar");

const vm = await AgentOs.create({ software: ["common"] });
await vm.exec("mkdir project && echo 'port = 80' > project/config");
const kept = await vm.snapshotRootFilesystem();
await writeFile(file, await kept.toBytes());
await kept.dispose();
await vm.dispose();

const again = await AgentOs.create({ software: ["common"], rootFilesystem: { snapshot: await readFile(file) } });
const { stdout } = await again.exec("cat project/config");
console.log(stdout.trim());
// prints: port = 80
await again.dispose();
await rm(folder, { recursive: true });
