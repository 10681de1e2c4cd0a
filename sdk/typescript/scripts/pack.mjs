// Packs the packages as they are published: `node scripts/pack.mjs DIRECTORY`, after `npm run build` and scripts/addon.mjs.
//
// A platform's package is packed when its addon is there, and the packages that load one, @agentos/native and @agentos/core, ask for
// those that are packed, and for no others: npm then installs the one that fits. Prints the names of the packs.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const workspace = join(dirname(fileURLToPath(import.meta.url)), "..");
const read = (folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
const folders = ["packages", "platforms"].flatMap((parent) => readdirSync(join(workspace, parent)).map((name) => join(workspace, parent, name)));
const isAddon = (folder) => read(folder).main === "agentos.node";
const addons = folders.filter((folder) => isAddon(folder) && existsSync(join(folder, "agentos.node")));
if (addons.length === 0) throw new Error("no addon has been built: node scripts/addon.mjs");

const destination = resolve(process.argv[2] ?? ".");
mkdirSync(destination, { recursive: true });
const scratch = mkdtempSync(join(tmpdir(), "agentos-pack-"));
try {
  const loaders = ["native", "core"].map((name) => {
    const loader = join(scratch, name);
    cpSync(join(workspace, "packages", name), loader, { recursive: true, filter: (path) => !["node_modules", "build"].includes(basename(path)) });
    const manifest = read(loader);
    manifest.optionalDependencies = Object.fromEntries(addons.map((folder) => [read(folder).name, read(folder).version]));
    writeFileSync(join(loader, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    return loader;
  });
  const loading = loaders.map((loader) => read(loader).name);
  const plain = folders.filter((folder) => !isAddon(folder) && !loading.includes(read(folder).name));
  const args = ["pack", "--silent", "--ignore-scripts", "--pack-destination", destination, ...loaders, ...addons, ...plain];
  execFileSync("npm", args, { stdio: "inherit" });
} finally {
  rmSync(scratch, { recursive: true });
}
