// Clients against a server that wants a token: each puts it where its version does.
//
//     node tokens.mjs VERSION ENDPOINT TOKEN
import assert from "node:assert/strict";
import { PARAMS } from "./scenarios.mjs";

const [version, endpoint, token] = process.argv.slice(2);
const { createClient } = await import(`rivetkit-${version}/client`);
process.on("unhandledRejection", () => {});
let keys = 0;
const key = () => [`t${process.pid}x${Date.now()}x${keys++}`];
const limit = (promise, ms = 60_000) => Promise.race([promise, new Promise((_, reject) => setTimeout(() => reject(new Error(`took more than ${ms} ms`)), ms).unref())]);

const tests = {
	async "with the token"(create) {
		const handle = create({ token }).counter.getOrCreate(key(), { params: PARAMS });
		assert.equal(await handle.increment(1), 1);
		const id = await handle.resolve();
		assert.equal(await create({ token }).counter.getForId(id, { params: PARAMS }).increment(1), 2);
		const response = await handle.fetch("x");
		assert.equal(response.status, 201);
	},

	async "with the token in the endpoint"(create) {
		if (version.startsWith("2.0")) return; // it knows no credentials there
		const url = new URL(endpoint);
		url.username = "default";
		url.password = encodeURIComponent(token);
		const handle = create({ endpoint: url.href.replace(/\/$/, "") }).counter.getOrCreate(key(), { params: PARAMS });
		assert.equal(await handle.increment(1), 1);
	},

	// 2.0 sends no token on WebSockets, so that the server has to refuse it.
	async "a connection with the token"(create) {
		const connection = create({ token }).counter.getOrCreate(key(), { params: PARAMS }).connect();
		if (version.startsWith("2.0")) {
			const refusal = await limit(new Promise((resolve) => connection.onError(resolve)));
			assert.match(`${refusal.group}.${refusal.code}`, /unauthorized/);
		} else {
			assert.equal(await limit(connection.increment(1)), 1);
		}
		connection.dispose().catch(() => {});
	},

	async "without a token"(create) {
		for (const options of [{}, { token: "wrong" }]) {
			const error = await create(options).counter.getOrCreate(key(), { params: PARAMS }).increment(1).then(() => assert.fail("admitted"), (error) => error);
			assert.equal(`${error.group}.${error.code}`, "auth.unauthorized");
			assert.ok(!JSON.stringify([error.message, error.metadata]).includes(token));
		}
	},
};

for (const encoding of ["bare", "json", "cbor"]) {
	const create = (options) => createClient({ endpoint, encoding, ...options });
	for (const [name, run] of Object.entries(tests)) {
		const error = await limit(run(create), 120_000).then(
			() => null,
			(error) => `${error?.message ?? error}`.slice(0, 600),
		);
		process.stdout.write(`@@${JSON.stringify({ scenario: `token: ${name}`, encoding, error })}\n`);
	}
}
process.exit(0);
