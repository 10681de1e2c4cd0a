// Builds the native addon and puts it into the package of this platform: `node scripts/addon.mjs [--profile NAME]`.
// With --copy-only the addon must have been built before.
import { execFileSync } from "node:child_process";
import { copyFileSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { profile: { type: "string", default: "release" }, "copy-only": { type: "boolean", default: false } },
});
const workspace = join(dirname(fileURLToPath(import.meta.url)), "..");
const root = join(workspace, "..", "..");
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
if (!values["copy-only"]) {
  const args = ["build", "--profile", values.profile, "-p", "agentos-node"];
  execFileSync("cargo", args, { cwd: root, stdio: "inherit" });
}
const folder = values.profile === "dev" ? "debug" : values.profile;
const library = process.platform === "darwin" ? "libagentos_node.dylib" : "libagentos_node.so";
const triple = { linux: `linux-${process.arch}-gnu`, darwin: `darwin-${process.arch}` }[process.platform];
if (triple === undefined) throw new Error(`there is no package for ${process.platform}`);
const source = join(target, folder, library);
const addon = join(workspace, "packages", `native-${triple}`, "agentos.node");
// A process that runs the old addon keeps it: the file is replaced, not written over.
copyFileSync(source, `${addon}.new`);
renameSync(`${addon}.new`, addon);
console.log(`${addon}: ${(statSync(addon).size / 2 ** 20).toFixed(1)} MiB`);
