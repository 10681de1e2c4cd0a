// Measures the embedded VM: `node bench/core.mjs [--json] [--other FOLDER]`, after `npm run build` and
// `node scripts/addon.mjs`. With --other it also measures `@rivet-dev/agentos-core` as installed below FOLDER.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { processes } from "./memory.mjs";

const { values } = parseArgs({ options: { json: { type: "boolean" }, other: { type: "string" } } });

/**
 * Resident memory of this process in MiB: all of it, and what is its own, which is everything but unchanged pages of files: those
 * are in memory once for all processes, and go when the memory is needed.
 */
const memory = () => {
  globalThis.gc?.();
  const rollup = readFileSync("/proc/self/smaps_rollup", "utf8");
  const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(rollup)?.[1]) / 1024;
  return { resident: of("Rss"), own: of("Anonymous") };
};

/** Times of `count` runs in microseconds, sorted. */
async function times(count, run, after = async () => {}) {
  const taken = [];
  for (let i = 0; i < count; i++) {
    const started = process.hrtime.bigint();
    const result = await run();
    taken.push(Number(process.hrtime.bigint() - started) / 1000);
    await after(result);
  }
  return taken.sort((a, b) => a - b);
}

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

const rows = [];

/** Measures one implementation; what it cannot do is said in its row. */
async function measure(name, AgentOs, options, scale) {
  // What asking itself needs does not count.
  memory();
  const before = memory();
  const vm = await AgentOs.create(options);
  // What is started with the first VM goes to rest.
  await new Promise((resolve) => setTimeout(resolve, 200));
  const after = memory();
  rows.push({ name, what: "first VM after import, own", unit: "MiB", p50: after.own - before.own });
  rows.push({ name, what: "the same with file pages", unit: "MiB", p50: after.resident - before.resident });
  const row = async (what, unit, count, run, after) => {
    try {
      const begun = process.cpuUsage();
      const sorted = await times(Math.max(5, count / scale), run, after);
      const { user, system } = process.cpuUsage(begun);
      const speed = (us) => (64 * 2 ** 20) / us / 1000;
      if (unit === "us") rows.push({ name, what, unit, p50: at(sorted, 0.5), p99: at(sorted, 0.99) });
      // How much of its own time the process needs does not depend on what else runs.
      else rows.push({ name, what, unit, p50: speed(at(sorted, 0.5)), cpu: speed((user + system) / sorted.length) });
    } catch (error) {
      rows.push({ name, what, failed: String(error.message).split("\n")[0].slice(0, 80) });
    }
  };
  await vm.exec("echo hello");
  await row("create()", "us", 200, () => AgentOs.create(options), (one) => one.dispose());
  await row('exec("echo hello")', "us", 500, () => vm.exec("echo hello"));
  const kib = new Uint8Array(1024).fill(97);
  await row("writeFile 1 KiB", "us", 2000, () => vm.writeFile("/tmp/small", kib));
  await row("readFile 1 KiB", "us", 2000, () => vm.readFile("/tmp/small"));
  const large = new Uint8Array(64 * 2 ** 20).fill(98);
  await row("writeFile 64 MiB", "GB/s", 9, () => vm.writeFile("/tmp/large", large));
  await row("readFile 64 MiB", "GB/s", 9, () => vm.readFile("/tmp/large"));
  // Where a read gives memory that the file has too, it is mapped when the script looks at it.
  let seen = 0;
  await row("the same, all looked at", "GB/s", 9, async () => {
    const content = await vm.readFile("/tmp/large");
    for (let at = 0; at < content.length; at += 4096) seen += content[at];
  });
  await row("the same, all changed", "GB/s", 9, async () => {
    const content = await vm.readFile("/tmp/large");
    for (let at = 0; at < content.length; at += 4096) content[at] = seen;
  });
  await vm.dispose();
}

for (const { what, resident, own } of await processes()) rows.push({ name: "agentos", what: `process: ${what}`, unit: "MiB above Node.js", p50: resident, own });
const ours = await import("@agentos/core");
await measure("agentos", ours.AgentOs, { software: ["common"] }, 1);
if (values.other !== undefined) {
  try {
    const require = createRequire(pathToFileURL(join(values.other, "x.js")));
    const core = await import(pathToFileURL(require.resolve("@rivet-dev/agentos-core")).href);
    await measure("@rivet-dev/agentos-core", core.AgentOs, {}, 20);
  } catch (error) {
    rows.push({ name: "@rivet-dev/agentos-core", what: "(all)", failed: String(error.message).split("\n")[0] });
  }
}
if (values.json) console.log(JSON.stringify(rows, null, 2));
else {
  for (const { name, what, unit, p50, p99, cpu, own, failed } of rows) {
    const number = (value) => (value < 10 ? value.toFixed(2) : value.toFixed(0));
    const more = own !== undefined ? `, ${number(own)} of it its own` : p99 !== undefined ? `, p99 ${number(p99)}` : cpu !== undefined ? `, ${number(cpu)} by time on the CPU` : "";
    const shown = failed !== undefined ? `does not work: ${failed}` : `${number(p50)} ${unit}${more}`;
    console.log(`${name.padEnd(26)}${what.padEnd(36)}${shown}`);
  }
}
// The other implementation leaves a process behind that would keep this one.
process.exit();
