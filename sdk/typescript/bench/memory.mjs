// Memory of a process with one VM above one of plain Node.js: `node bench/memory.mjs [--maps] [--json]`, after `npm run build` and
// `node scripts/addon.mjs`; bench/core.mjs prints the same rows. With --maps also what it is made of, by mappings.
//
// Each number is a process of its own, looked at from outside when it has collected its garbage and is at rest; medians of some.
// The packages lie as npm installs them, in a directory of the length of an ordinary home's: how much of itself Node.js 24 and later load for
// an import depends on the letters of the paths (docs/performance.md), so a package with nothing in it is measured beside.
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const workspace = join(dirname(fileURLToPath(import.meta.url)), "..");
const RUNS = 7;

/** Holds the process, and says that it is to be looked at, with what is there already in any process. */
const READY = `gc(); setInterval(() => {}, 2 ** 30); process._rawDebug("ready");`;
const vm = (options, more = "") =>
  `import { AgentOs } from "@agentos/core"; const vm = await AgentOs.create(${options}); ${more}; await new Promise((done) => setTimeout(done, 1500)); ${READY}`;

/** What the processes run. The first is what the others are compared with. */
const PROGRAMS = {
  "plain Node.js": READY,
  "imports an empty package": `import "@agentos/empty"; ${READY}`,
  "has a VM": vm(""),
  "has a VM with commands": vm(`{ software: ["common"] }`),
  "the same after echo": vm(`{ software: ["common"] }`, `await vm.exec("echo hello")`),
};

/** A directory with the programs and the packages. */
function install() {
  const folder = mkdtempSync(join(tmpdir(), "agentos-memory-application-"));
  const scope = join(folder, "node_modules/@agentos");
  mkdirSync(join(scope, "empty"), { recursive: true });
  writeFileSync(join(scope, "empty/package.json"), `{ "name": "@agentos/empty", "type": "module", "exports": { ".": "./index.js" } }`);
  writeFileSync(join(scope, "empty/index.js"), "export {};\n");
  for (const part of ["package.json", "dist"]) cpSync(join(workspace, "packages/core", part), join(scope, "core", part), { recursive: true });
  const platform = `native-linux-${process.arch}-gnu`;
  const places = ["packages", "platforms"].map((parent) => join(workspace, parent, platform));
  symlinkSync(places.find((place) => existsSync(join(place, "agentos.node"))), join(scope, platform));
  Object.values(PROGRAMS).forEach((text, at) => writeFileSync(join(folder, `${at}.mjs`), text));
  return folder;
}

/** The mappings of a process by file and protection, in KiB. */
function mappings(pid) {
  const found = new Map();
  let name = "";
  for (const line of readFileSync(`/proc/${pid}/smaps`, "utf8").split("\n")) {
    const head = /^[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ \d+\s*(.*)$/.exec(line);
    if (head !== null) name = `${head[2].startsWith("/") ? head[2].split("/").at(-1) : head[2].startsWith("[anon") ? "" : head[2]} ${head[1]}`;
    const size = /^(Rss|Anonymous):\s+(\d+)/.exec(line);
    if (size === null) continue;
    const sum = found.get(name) ?? { Rss: 0, Anonymous: 0 };
    sum[size[1]] += Number(size[2]);
    found.set(name, sum);
  }
  return found;
}

async function look(folder, at) {
  const child = spawn(process.execPath, ["--expose-gc", `${at}.mjs`], { cwd: folder, stdio: ["ignore", "inherit", "pipe"] });
  try {
    let told = "";
    for await (const data of child.stderr) if ((told += data).includes("ready")) break;
    if (!told.includes("ready")) throw new Error(`a process that is measured failed: ${told}`);
    // It was looked at too early if it still changes.
    for (let last = -1; ; ) {
      const found = mappings(child.pid);
      const sum = [...found.values()].reduce((all, one) => all + one.Rss, 0);
      if (sum === last) return found;
      last = sum;
      await new Promise((done) => setTimeout(done, 50));
    }
  } finally {
    child.kill("SIGKILL");
  }
}

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];

/** What each program's process has beyond that of plain Node.js, in MiB: resident memory, and of it what is its own. */
export async function processes() {
  const folder = install();
  try {
    const names = Object.keys(PROGRAMS);
    const seen = names.map(() => []);
    for (let run = 0; run < RUNS; run++) for (const at of names.keys()) seen[at].push(await look(folder, at));
    const of = (at, name, kind) => median(seen[at].map((found) => found.get(name)?.[kind] ?? 0)) / 1024;
    const sum = (at, kind) => median(seen[at].map((found) => [...found.values()].reduce((all, one) => all + one[kind], 0))) / 1024;
    return names.slice(1).map((what, index) => {
      const at = index + 1;
      const keys = new Set([...seen[0], ...seen[at]].flatMap((found) => [...found.keys()]));
      const maps = [...keys].map((name) => ({ name, resident: of(at, name, "Rss") - of(0, name, "Rss"), own: of(at, name, "Anonymous") - of(0, name, "Anonymous") }));
      return { what, resident: sum(at, "Rss") - sum(0, "Rss"), own: sum(at, "Anonymous") - sum(0, "Anonymous"), maps: maps.filter((one) => Math.abs(one.resident) > 0.02) };
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { maps: { type: "boolean" }, json: { type: "boolean" } } });
  const rows = await processes();
  if (values.json) console.log(JSON.stringify(rows, null, 2));
  else {
    console.log(`MiB above plain Node.js ${process.version}`.padEnd(44), "resident", " own");
    const line = (name, one) => console.log(name.padEnd(44), one.resident.toFixed(2).padStart(8), one.own.toFixed(2).padStart(5));
    for (const row of rows) {
      line(row.what, row);
      if (values.maps) for (const one of row.maps.sort((a, b) => b.resident - a.resident)) line(`    ${one.name}`.slice(0, 43), one);
    }
  }
}
