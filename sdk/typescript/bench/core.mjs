// Measures the embedded VM: `node bench/core.mjs [--json] [--other FOLDER]`, after `npm run build` and
// `node scripts/addon.mjs`. With --other it also measures `@rivet-dev/agentos-core` as installed below FOLDER.
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({ options: { json: { type: "boolean" }, other: { type: "string" } } });

const rss = () => {
  globalThis.gc?.();
  return process.memoryUsage().rss / 2 ** 20;
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

async function measure(name, AgentOs, options, scale) {
  const before = rss();
  const vm = await AgentOs.create(options);
  const rows = [{ name, what: "memory of the first VM", unit: "MiB", p50: rss() - before }];
  const add = (what, sorted) => rows.push({ name, what, unit: "us", p50: at(sorted, 0.5), p99: at(sorted, 0.99) });
  const kib = new Uint8Array(1024).fill(97);
  await vm.exec("echo hello");
  add("create()", await times(200 / scale, () => AgentOs.create(options), (one) => one.dispose()));
  add('exec("echo hello")', await times(500 / scale, () => vm.exec("echo hello")));
  add("writeFile 1 KiB", await times(2000 / scale, () => vm.writeFile("/home/user/small", kib)));
  add("readFile 1 KiB", await times(2000 / scale, () => vm.readFile("/home/user/small")));
  const large = new Uint8Array(64 * 2 ** 20).fill(98);
  const rate = (sorted) => (64 * 2 ** 20) / at(sorted, 0.5) / 1000;
  const file = "/home/user/large";
  rows.push({ name, what: "writeFile 64 MiB", unit: "GB/s", p50: rate(await times(9, () => vm.writeFile(file, large))) });
  rows.push({ name, what: "readFile 64 MiB", unit: "GB/s", p50: rate(await times(9, () => vm.readFile(file))) });
  await vm.dispose();
  return rows;
}

const ours = await import("@agentos/core");
const rows = await measure("agentos", ours.AgentOs, { software: ["common"] }, 1);
if (values.other !== undefined) {
  try {
    const require = createRequire(pathToFileURL(join(values.other, "x.js")));
    const core = await import(pathToFileURL(require.resolve("@rivet-dev/agentos-core")).href);
    rows.push(...(await measure("@rivet-dev/agentos-core", core.AgentOs, {}, 10)));
  } catch (error) {
    rows.push({ name: "@rivet-dev/agentos-core", what: `does not run here: ${error.message.split("\n")[0]}` });
  }
}
if (values.json) console.log(JSON.stringify(rows, null, 2));
else {
  for (const { name, what, unit, p50, p99 } of rows) {
    const number = (value) => (value < 10 ? value.toFixed(2) : value.toFixed(0));
    const shown = p50 === undefined ? "" : `${number(p50)} ${unit}${p99 === undefined ? "" : `, p99 ${number(p99)}`}`;
    console.log(`${name.padEnd(26)}${what.padEnd(26)}${shown}`);
  }
}
