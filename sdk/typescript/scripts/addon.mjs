// Builds the native addon and puts it into the package of its platform: `node scripts/addon.mjs [--profile NAME]`.
// With --copy-only the addon must have been built before. With --target it is built for another platform by Cargo's name for
// that (`aarch64-unknown-linux-gnu`), which needs Rust's standard library and a linker for it.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    profile: { type: "string", default: "release" },
    "copy-only": { type: "boolean", default: false },
    target: { type: "string" },
  },
});
const workspace = join(dirname(fileURLToPath(import.meta.url)), "..");
const root = join(workspace, "..", "..");
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
if (!values["copy-only"]) {
  const args = ["build", "--profile", values.profile, "-p", "agentos-node", ...(values.target === undefined ? [] : ["--target", values.target])];
  execFileSync("cargo", args, { cwd: root, stdio: "inherit" });
}
const folder = values.profile === "dev" ? "debug" : values.profile;
/** Packages by Cargo's names of their platforms. */
const PACKAGES = { "x86_64-unknown-linux-gnu": "linux-x64-gnu", "aarch64-unknown-linux-gnu": "linux-arm64-gnu" };
const triple = values.target === undefined ? `${process.platform}-${process.arch}-gnu` : PACKAGES[values.target];
if (!Object.values(PACKAGES).includes(triple)) {
  throw new Error(`there is no package for ${values.target ?? triple}; there are ${Object.keys(PACKAGES).join(", ")}`);
}
const source = join(target, values.target ?? "", folder, "libagentos_node.so");
// npm takes no workspace that is for another platform, so the others lie beside.
const folders = ["packages", "platforms"].map((folder) => join(workspace, folder, `native-${triple}`));
const addon = join(folders.find((folder) => existsSync(folder)), "agentos.node");
// A process that runs the old addon keeps it: the file is replaced, not written over.
copyFileSync(source, `${addon}.new`);
renameSync(`${addon}.new`, addon);
console.log(`${addon}: ${(statSync(addon).size / 2 ** 20).toFixed(1)} MiB`);
