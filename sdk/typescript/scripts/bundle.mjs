// Makes the module of a package out of its sources: `node ../../scripts/bundle.mjs` in its folder, after `tsc` has checked the types
// and written them to dist.
//
// One file is what an application loads least for: Node.js looks each module up by paths that it takes apart letter by letter, in
// functions that it compiles for speed after some hundred letters - that alone are megabytes of its compiler. So what the package
// needs of other packages of agentOS at run time is in the file as well. State that must exist once is kept where all copies find
// it: with the addon, and with the errors themselves.
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const packages = join(dirname(fileURLToPath(import.meta.url)), "..", "packages");
// What an earlier build left would be packed, too.
for (const name of readdirSync("dist", { recursive: true })) if (/\.js(\.map)?$/.test(name)) rmSync(join("dist", name));
await build({
  entryPoints: ["src/index.ts"],
  outfile: "dist/index.js",
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: "linked",
  // One scope has each name once; in stack traces and where objects are shown they are as in the sources.
  keepNames: true,
  alias: {
    "@agentos/client/errors": join(packages, "client/src/errors.ts"),
    "@agentos/native": join(packages, "native/src/index.ts"),
  },
  logLevel: "warning",
});
