// Builds the page's one script, compressed, and writes it to the path given as the first argument.
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const target = process.argv[2];
if (target === undefined) throw new Error("usage: node build.mjs TARGET");

const result = await build({
  entryPoints: ["src/main.ts"],
  bundle: true,
  minify: true,
  write: false,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  legalComments: "inline",
  loader: { ".css": "text" },
  logLevel: "warning",
});
const licence = readFileSync("node_modules/@xterm/xterm/LICENSE", "utf8").replaceAll("*/", "* /");
const script = `/* Contains xterm.js:\n${licence}*/\n${result.outputFiles[0].text}`;
// Level and header are fixed, so that equal sources give equal bytes.
writeFileSync(target, gzipSync(Buffer.from(script), { level: 9 }));
