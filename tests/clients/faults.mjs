// What stock clients do when things fail: how often they repeat a call (rivetkit-wire, section 13), and whether a connection
// comes back (section 14). These are properties of the clients that the server's choice of errors relies on, so a client
// that behaves otherwise is reported like a failure of ours.
//
//     node faults.mjs VERSION ENDPOINT
import assert from "node:assert/strict";
import { Proxy } from "./proxy.mjs";
import { PARAMS } from "./scenarios.mjs";

const [version, endpoint] = process.argv.slice(2);
const { createClient } = await import(`rivetkit-${version}/client`);
const line = version.split(".").slice(0, 2).join(".");
const modern = line === "2.3";
const builtIn = typeof globalThis.WebSocket === "function";
process.on("unhandledRejection", () => {});

let keys = 0;
const key = () => [`f${process.pid}x${Date.now()}x${keys++}`];
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Requests for one failing call: 2.0, 2.2, 2.3 by id, 2.3 `get`, 2.3 `getOrCreate`. */
const RETRIES = {
	"actor.restarting": [1, 1, 5, 5, 5],
	"guard.service_unavailable": [1, 1, 5, 5, 5],
	"guard.tunnel_message_timeout": [1, 1, 5, 5, 5],
	"actor.not_found": [1, 2, 1, 24, 60],
	"actor.starting": [1, 1, 1, 24, 60],
	"actor.stopping": [1, 1, 1, 24, 60],
	"guard.actor_ready_timeout": [1, 1, 1, 24, 60],
	"user.nope": [1, 1, 1, 1, 1],
	"actor.action_timed_out": [1, 1, 1, 1, 1],
	"actor.action_not_found": [1, 1, 1, 1, 1],
	"agentos.limit_exceeded": [1, 1, 1, 1, 1],
	"internal.internal_error": [1, 1, 1, 1, 1],
};

/** Whether a connection recovers after its reopening was accepted and closed for 4 s with a reason: 2.0 and 2.2, 2.3. */
const REASONS = {
	"ws.going_away": [true, true],
	"guard.service_unavailable": [true, true],
	"actor.restarting": [true, true],
	"actor.stopping": [true, true],
	"": [true, false],
	"vm.draining": [true, false],
	"auth.unauthorized": [true, false],
	"user.forbidden": [true, false],
};

const tests = [];
function test(name, run) {
	tests.push(
		run().then(
			() => null,
			(error) => `${error?.message ?? error}`.slice(0, 600),
		).then((error) => process.stdout.write(`@@${JSON.stringify({ scenario: name, encoding: "bare", error })}\n`)),
	);
}

async function retries(reason, how, expected) {
	const [group, code] = reason.split(".");
	const proxy = await Proxy.start(endpoint);
	proxy.fault = (request) => (request.url.includes("/action/failing") ? { group, code } : undefined);
	const client = createClient({ endpoint: proxy.endpoint });
	const existing = key();
	await client.counter.getOrCreate(existing, { params: PARAMS }).increment(1);
	const id = await client.counter.getOrCreate(existing, { params: PARAMS }).resolve();
	const handle = { byId: () => client.counter.getForId(id, { params: PARAMS }), get: () => client.counter.get(existing, { params: PARAMS }), getOrCreate: () => client.counter.getOrCreate(existing, { params: PARAMS }) }[how]();
	const error = await handle.failing().then(() => undefined, (error) => error);
	assert.ok(error, "the call fails in the end");
	let seen = 0;
	for (const [path, count] of proxy.requests) if (path.endsWith("/action/failing")) seen += count;
	assert.equal(seen, expected, "requests for one call");
	await proxy.refuse();
}

for (const [reason, [old, middle, byId, get, getOrCreate]] of Object.entries(RETRIES)) {
	if (modern) {
		test(`retries of ${reason}, by id`, () => retries(reason, "byId", byId));
		test(`retries of ${reason}, get`, () => retries(reason, "get", get));
		test(`retries of ${reason}, getOrCreate`, () => retries(reason, "getOrCreate", getOrCreate));
	} else {
		test(`retries of ${reason}`, () => retries(reason, "getOrCreate", line === "2.0" ? old : middle));
	}
}

/** Opens a connection through a proxy, runs an outage, and says whether the connection answers again. */
async function recovers(outage) {
	const proxy = await Proxy.start(endpoint);
	const client = createClient({ endpoint: proxy.endpoint });
	const connection = client.counter.getOrCreate(key(), { params: PARAMS }).connect();
	await connection.increment(1);
	const begun = Date.now();
	await outage(proxy);
	// Attempts come after 0.25, 0.5, 1, 2, 4 s: whoever comes back is back 8 s after the loss.
	let back = false;
	while (!back && Date.now() - begun < 16_000) {
		const answer = connection.increment(1).then((count) => count > 0, () => false);
		back = await Promise.race([answer, sleep(2_000).then(() => false)]);
		if (!back) await sleep(100);
	}
	connection.dispose().catch(() => {});
	await proxy.refuse();
	return { back, upgrades: proxy.upgrades };
}

for (const [reason, [older, newer]] of Object.entries(REASONS)) {
	test(`reopening closed with '${reason}' for 4 s`, async () => {
		const { back } = await recovers(async (proxy) => {
			proxy.closing = { code: 1012, reason };
			proxy.drop({ code: 1012, reason: "ws.going_away" });
			await sleep(4_000);
			proxy.closing = undefined;
		});
		assert.equal(back, modern ? newer : older, "the connection comes back");
	});
}

test("the port refuses for 4 s", async () => {
	const { back } = await recovers(async (proxy) => {
		await proxy.refuse();
		await sleep(4_000);
		await proxy.listen(proxy.port);
	});
	const expected = line === "2.0" || (line === "2.2" && !builtIn);
	assert.equal(back, expected, "the connection comes back");
});

// The listening socket is handed over to another process: whoever connects meanwhile waits, and nobody is refused.
test("nobody answers for 4 s", async () => {
	const { back } = await recovers(async (proxy) => {
		proxy.holding = sleep(4_000).then(() => {
			proxy.holding = undefined;
		});
		proxy.drop({ code: 1012, reason: "ws.going_away" });
		await proxy.holding;
	});
	assert.ok(back, "the connection comes back");
});

test("a loss without an outage", async () => {
	const { back } = await recovers(async (proxy) => proxy.drop());
	assert.ok(back, "the connection comes back");
});

await Promise.all(tests);
process.exit(0);
