// RivetKit's own server with one kind of actor, whose actions do as little as can be. Prints one line of JSON with its
// endpoint when it takes requests, and ends with its standard input, so that it never outlives whoever started it.
import { createServer } from "node:net";
import { join } from "node:path";
import { argv, cwd, exit, stdin, stdout } from "node:process";
import { actor, setup } from "rivetkit";

stdin.on("end", () => exit(0)).resume();

const vm = actor({ state: {}, actions: { exists: (_c, path) => path === "/home/user" } });

/** A port that was free a moment ago; RivetKit does not tell which one it took. */
function freePort() {
	return new Promise((resolve, reject) => {
		const probe = createServer().on("error", reject).listen(0, "127.0.0.1", () => {
			const { port } = probe.address();
			probe.close(() => resolve(port));
		});
	});
}

const port = await freePort();
const storagePath = argv[2] ?? join(cwd(), "rivetkit-data");
setup({ use: { vm }, storagePath, managerPort: port, managerHost: "127.0.0.1", noWelcome: true, logging: { level: "error" } }).start();
const endpoint = `http://127.0.0.1:${port}`;
for (;;) {
	const up = await fetch(`${endpoint}/metadata`).then((response) => response.ok, () => false);
	if (up) break;
	await new Promise((resolve) => setTimeout(resolve, 20));
}
stdout.write(`${JSON.stringify({ endpoint })}\n`);
