// A VM through stock clients: what `agentos serve` offers, in three encodings.
//
//     node vm.mjs VERSION ENDPOINT
import assert from "node:assert/strict";

const [version, endpoint] = process.argv.slice(2);
const { createClient } = await import(`rivetkit-${version}/client`);
process.on("unhandledRejection", () => {});
let keys = 0;
const key = () => [`v${process.pid}x${Date.now()}x${keys++}`];
const text = (bytes) => new TextDecoder().decode(bytes);

/** Resolves with the first event that `wanted` accepts. */
function event(connection, name, wanted = () => true) {
	return new Promise((resolve) => {
		const stop = connection.on(name, (payload) => {
			if (!wanted(payload)) return;
			stop();
			resolve(payload);
		});
	});
}

const scenarios = {
	async exec(vm) {
		const result = await vm.exec("echo hello; echo oops >&2; exit 3", { env: { A: "b" } });
		assert.deepEqual(result, { exitCode: 3, stdout: "hello\n", stderr: "oops\n" });
		assert.equal((await vm.exec("cat", { stdin: "é" })).stdout, "é");
		assert.equal((await vm.execArgv(["echo", "a b"])).stdout, "a b\n");
	},

	async files(vm) {
		const bytes = new Uint8Array(300_000).map((_, index) => index * 7);
		await vm.writeFile("/home/user/data.bin", bytes);
		assert.ok(Buffer.from(await vm.readFile("/home/user/data.bin")).equals(bytes));
		await vm.writeFile("/home/user/text.txt", "grüße\n");
		assert.equal(text(await vm.readFile("/home/user/text.txt")), "grüße\n");
		assert.equal((await vm.stat("/home/user/text.txt")).size, 8);
		assert.deepEqual(await vm.readdir("/home/user").then((names) => names.filter((name) => name.includes("."))), ["data.bin", "text.txt"]);
		assert.equal(await vm.exists("/nowhere"), false);
		const error = await vm.readFile("/nowhere").then(() => assert.fail("read"), (error) => error);
		assert.equal(`${error.group}.${error.code}`, "agentos.ENOENT");
		assert.equal(error.metadata.path, "/nowhere");
	},

	async processes(vm) {
		const connection = vm.connect();
		const outputs = [];
		connection.on("processOutput", (payload) => outputs.push(payload));
		const exit = event(connection, "processExit");
		const { pid } = await connection.spawn("cat", [], { streamStdin: true });
		await connection.writeProcessStdin(pid, "typed\n");
		await connection.closeProcessStdin(pid);
		assert.deepEqual(await exit, { pid, exitCode: 0 });
		assert.equal(outputs.map(({ data }) => text(data)).join(""), "typed\n");
		assert.ok(outputs.every((output) => output.pid === pid && output.stream === "stdout"));
		assert.equal(await connection.waitProcess(pid), 0);
		await connection.dispose();
	},

	async shells(vm) {
		const connection = vm.connect();
		let shown = "";
		const seen = event(connection, "shellData", ({ data }) => (shown += text(data)).includes("42"));
		const { shellId } = await connection.openShell({ cols: 100, rows: 30 });
		await connection.writeShell(shellId, "echo $((6*7))\n");
		await seen;
		const exit = event(connection, "shellExit");
		await connection.closeShell(shellId);
		assert.equal((await exit).shellId, shellId);
		await connection.dispose();
	},

	async "sleep and wake"(vm) {
		const connection = vm.connect();
		await connection.writeFile("/home/user/kept.txt", "kept");
		const slept = event(connection, "vmShutdown");
		// The subscription travels on this connection, and the call to sleep on another one, which could be faster.
		await connection.exists("/");
		await vm.sleepVm();
		assert.equal((await slept).reason, "sleep");
		const booted = event(connection, "vmBooted");
		assert.equal(text(await connection.readFile("/home/user/kept.txt")), "kept");
		await booted;
		await connection.dispose();
	},

	async previews(vm) {
		const { path, token, port, expiresAt } = await vm.createSignedPreviewUrl(8080, 60);
		assert.equal(path, `/request/fetch/${token}`);
		assert.equal(port, 8080);
		assert.ok(expiresAt > Date.now());
		const id = await vm.resolve();
		assert.equal((await fetch(`${endpoint}/gateway/${id}${path}/`)).status, 502, "nobody listens");
		await vm.writeFile("/home/user/page.txt", "hi\n");
		const { pid } = await vm.spawn("httpd", ["-q", "-p", "8080", "/home/user"]);
		let answer;
		for (let attempt = 0; attempt < 1200 && answer?.status !== 200; attempt++) {
			await new Promise((resolve) => setTimeout(resolve, 50));
			answer = await fetch(`${endpoint}/gateway/${id}${path}/page.txt`);
		}
		assert.equal(await answer.text(), "hi\n");
		await vm.killProcess(pid);
		await vm.expireSignedPreviewUrl(token);
		assert.equal((await fetch(`${endpoint}/gateway/${id}${path}/`)).status, 403);
	},

	async "unsupported sessions"(vm) {
		const error = await vm.createSession("nobody").then(() => assert.fail("created"), (error) => error);
		assert.equal(error.group, "agentos");
	},

	async destroy(vm, client) {
		await vm.exec("true");
		const id = await vm.resolve();
		await vm.destroyVm();
		for (let attempt = 0; ; attempt++) {
			const error = await client.vm.getForId(id).exec("true").then(() => null, (error) => error);
			if (error?.group === "actor") break;
			assert.ok(attempt < 3000, "the VM is still there");
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
	},
};

for (const encoding of ["bare", "json", "cbor"]) {
	const client = createClient({ endpoint, encoding });
	for (const [name, run] of Object.entries(scenarios)) {
		const limit = new Promise((_, reject) => setTimeout(() => reject(new Error("took more than 120 s")), 120_000).unref());
		const error = await Promise.race([run(client.vm.getOrCreate(key()), client), limit]).then(
			() => null,
			(error) => `${error?.message ?? error}`.slice(0, 600) + (process.env.STACK ? error?.stack : ""),
		);
		process.stdout.write(`@@${JSON.stringify({ scenario: `vm: ${name}`, encoding, error })}\n`);
	}
}
process.exit(0);
