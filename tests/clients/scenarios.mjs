// What a stock client must see, whichever version, encoding and runtime. Each scenario is a function of a context with
//   client     the client object              modern    whether it is of version 2.3 or later
//   encoding   bare, json or cbor             version   the client's version
//   key()      a key that nobody used         again(p)  the same client with other connection parameters
// and throws when something is not as it should be.
import assert from "node:assert/strict";

export const PARAMS = { authToken: "valid-token", user: "u1" };

/** The handle of a new counter. */
function counter(t, options = {}) {
	return t.client.counter.getOrCreate(t.key(), { params: PARAMS, ...options });
}

/** The error that a call ends with. */
async function failure(promise) {
	const error = await promise.then(
		(value) => assert.fail(`no error, but ${JSON.stringify(value)}`),
		(error) => error,
	);
	return error;
}

function masked(error) {
	assert.equal(error.group, "internal");
	assert.equal(error.code, "internal_error");
	assert.equal(error.message, "Internal error. Read the server logs for more details.");
	assert.ok(error.metadata.correlationId.length >= 16, "a correlation id");
	assert.ok(!JSON.stringify([error, error.message, error.metadata]).includes("secret"));
}

/** Resolves with the first value that `subscribe` hands to its listener. */
function first(subscribe, what, ms = 120_000) {
	return new Promise((resolve, reject) => {
		const timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
		subscribe((value) => {
			clearTimeout(timer);
			resolve(value);
		});
	});
}

export const scenarios = {
	async resolve(t) {
		const handle = counter(t);
		const id = await handle.resolve();
		assert.match(id, /^[a-z0-9]+$/);
		assert.equal(await handle.increment(5), 5);
		const direct = t.client.counter.getForId(id, { params: PARAMS });
		assert.equal(await direct.increment(2), 7);
	},

	async "action by key"(t) {
		const key = t.key();
		const handle = t.client.counter.getOrCreate(key, { params: PARAMS });
		assert.equal(await handle.increment(1), 1);
		assert.equal(await t.client.counter.get(key, { params: PARAMS }).increment(1), 2);
		assert.equal(await handle.action({ name: "increment", args: [1] }), 3);
	},

	async "keys are told apart"(t) {
		const [part] = t.key();
		for (const key of [[part, "b/c"], [part, "b", "c"], [part, "b\\/c"], [part, "é ü+%&=?#"], [part]]) {
			assert.equal(await t.client.counter.getOrCreate(key, { params: PARAMS }).increment(1), 1, JSON.stringify(key));
			assert.equal(await t.client.counter.get(key, { params: PARAMS }).increment(1), 2, JSON.stringify(key));
		}
	},

	async whoami(t) {
		const { conn, params } = await counter(t).whoami();
		assert.deepEqual(conn, { user: "u1" });
		assert.deepEqual(params, PARAMS);
	},

	async "parameters in ISO 8859-1"(t) {
		const params = { ...PARAMS, text: "é ü ÿ" };
		assert.deepEqual((await counter(t, { params }).whoami()).params, params);
		const connection = counter(t, { params }).connect();
		assert.deepEqual((await connection.whoami()).params, params);
		await connection.dispose();
	},

	async "no parameters and null parameters"(t) {
		for (const options of [{}, { params: undefined }, { params: null }]) {
			assert.equal((await t.client.counter.getOrCreate(t.key(), options).whoami()).params ?? null, null);
		}
	},

	async values(t) {
		const handle = counter(t);
		const json = t.encoding === "json";
		const plain = [0, 5, -1, 1.5, 1e300, 2 ** 31, 2 ** 32, -(2 ** 32) - 1, 2 ** 53 - 1, 2 ** 60, "", "é\u{1F600}\u0000", true, null];
		const nested = [[], {}, [[1], { a: { b: [] } }], { "": 1 }, { "a b": ["x"] }, ["$x"], ["$x", 1, 2], Array(40).fill({ a: 1, b: "x" })];
		const rich = [5n, -5n, 2n ** 64n, -(2n ** 70n), new Uint8Array([9, 8]), new Uint8Array(0), { deep: [new Uint8Array([1]), 7n] }];
		for (const value of [...plain, ...nested, ...rich]) {
			const [echoed] = await handle.echo(value);
			assert.deepEqual(normal(echoed), normal(value));
		}
		// An array that looks like a compat tag.
		assert.deepEqual(await handle.echo(["$x", 1]), [["$x", 1]]);
		const [date] = await handle.echo(new Date(1500));
		assert.equal(new Date(date).getTime(), 1500);
		assert.equal(typeof date, json ? "string" : "object");
		const [buffer] = await handle.echo(new Uint8Array([1, 2]).buffer);
		assert.deepEqual([...new Uint8Array(buffer)], [1, 2]);
		assert.deepEqual(await handle.echo(-0), [0]);
		const [absent] = await handle.echo(undefined);
		assert.equal(absent ?? null, null);
		if (!json) {
			assert.equal(absent, undefined);
			assert.deepEqual(await handle.echo(new Set([1])), [new Set([1])]);
			assert.deepEqual(await handle.echo(new Map([["k", 1]])), [new Map([["k", 1]])]);
			assert.deepEqual(await handle.echo(Number.POSITIVE_INFINITY), [Number.POSITIVE_INFINITY]);
			assert.deepEqual(await handle.echo({ a: undefined }), [{ a: undefined }]);
		}
	},

	async "values of the server"(t) {
		const types = await counter(t).types();
		assert.equal(types.big, 12345678901234567890n);
		assert.deepEqual(normal(types.bytes), normal(new Uint8Array([0, 255])));
		assert.equal(types.float, 1.5);
		assert.equal(types.large, 2 ** 40);
		assert.equal(typeof types.large, "number");
		assert.equal(new Date(types.date).getTime(), 0);
		assert.equal(types.none ?? null, null);
		assert.deepEqual(types.list, [1, "x", null]);
	},

	async "values over a connection"(t) {
		const connection = counter(t).connect();
		for (const value of [5, 1.5, "é", 5n, 2n ** 64n, new Uint8Array([9, 8]), ["$x", 1], { a: [null] }]) {
			assert.deepEqual(normal(await connection.echo(value)), normal([value]));
		}
		await connection.dispose();
	},

	async "a megabyte"(t) {
		const bytes = new Uint8Array(1 << 20).map((_, index) => index * 31);
		const [echoed] = await counter(t).echo(bytes);
		assert.ok(Buffer.from(echoed).equals(bytes));
		const connection = counter(t).connect();
		const [again] = await connection.echo(bytes);
		assert.ok(Buffer.from(again).equals(bytes));
		await connection.dispose();
	},

	async nothing(t) {
		assert.equal((await counter(t).nothing()) ?? null, null);
	},

	async "a user's error"(t) {
		const error = await failure(counter(t).userErr());
		assert.equal(error.group, "user");
		assert.equal(error.code, "nope_code");
		assert.equal(error.message, "Nope");
		assert.deepEqual(error.metadata, { a: 1 });
	},

	async "an unknown action"(t) {
		const error = await failure(counter(t).noSuchAction());
		assert.equal(error.group, "actor");
		assert.equal(error.code, "action_not_found");
		assert.match(error.message, /noSuchAction/);
	},

	async "a masked error"(t) {
		masked(await failure(counter(t).boom()));
	},

	async "rejected over HTTP"(t) {
		const error = await failure(counter(t, { params: { authToken: "bad" } }).increment(1));
		assert.equal(error.group, "user");
		assert.equal(error.code, "forbidden");
		assert.equal(error.message, "Forbidden");
		assert.deepEqual(error.metadata, { why: "bad token" });
		masked(await failure(counter(t, { params: { authToken: "throw" } }).increment(1)));
	},

	async "rejected over WebSocket"(t) {
		const connection = counter(t, { params: { authToken: "bad" } }).connect();
		const error = await first((listener) => connection.onError(listener), "the refusal");
		assert.equal(`${error.group}.${error.code}`, "user.forbidden");
		connection.dispose().catch(() => {});
		const throwing = counter(t, { params: { authToken: "throw" } }).connect();
		const hidden = await first((listener) => throwing.onError(listener), "the masked refusal");
		assert.equal(`${hidden.group}.${hidden.code}`, "internal.internal_error");
		assert.ok(!`${hidden.message}`.includes("secret"));
		throwing.dispose().catch(() => {});
	},

	// The hook reads a member of the parameters: without any it throws, which must refuse and tell nothing.
	async "no parameters where a hook wants some"(t) {
		const strict = (params) => t.client.strict.getOrCreate(t.key(), params === undefined ? {} : { params });
		assert.equal(await strict({ authToken: "good" }).increment(1), 1);
		const error = await failure(strict({ authToken: "bad" }).increment(1));
		assert.equal(`${error.group}.${error.code}: ${error.message}`, "user.forbidden: Forbidden");
		masked(await failure(strict().increment(1)));
		const connection = strict().connect();
		const refusal = await first((listener) => connection.onError(listener), "the refusal");
		assert.equal(`${refusal.group}.${refusal.code}`, "internal.internal_error");
		connection.dispose().catch(() => {});
	},

	async "raw HTTP"(t) {
		const response = await counter(t).fetch("hello/world?x=1", { method: "POST", body: "BODY" });
		assert.equal(response.status, 201);
		assert.equal(response.headers.get("x-foo"), "bar");
		assert.equal(await response.text(), "raw POST /hello/world?x=1 body=BODY");
	},

	async "raw socket"(t) {
		const handle = counter(t);
		const open = t.version.startsWith("2.0") ? "websocket" : "webSocket";
		const socket = await handle[open]("chat?room=1");
		socket.binaryType = "arraybuffer";
		if (socket.readyState === 0) await first((listener) => socket.addEventListener("open", listener), "the socket");
		const answer = () => first((listener) => socket.addEventListener("message", listener, { once: true }), "an answer");
		let waiting = answer();
		socket.send("hi");
		assert.equal((await waiting).data, "echo:hi");
		waiting = answer();
		socket.send(new Uint8Array([1, 2, 3]));
		assert.deepEqual([...new Uint8Array((await waiting).data)], [1, 2, 3]);
		const closed = first((listener) => socket.addEventListener("close", listener), "the close");
		socket.close(1000, "bye");
		assert.equal((await closed).code, 1000);
	},

	async connect(t) {
		const handle = counter(t);
		const connection = handle.connect();
		const events = [];
		connection.on("newCount", (...args) => events.push(args));
		const seen = connection.increment(7).then((count) => {
			assert.equal(events.length, 1, "an action's event comes before its answer");
			return count;
		});
		assert.equal(await seen, 7);
		assert.equal(events[0][0], 7);
		assert.deepEqual([...events[0][1].bytes], [1, 2, 3]);
		assert.deepEqual(await connection.whoami(), { conn: { user: "u1" }, params: PARAMS });
		const event = first((listener) => connection.once("newCount", listener), "the event of another's action");
		await handle.increment(1);
		assert.equal(await event, 8);
		await connection.dispose();
	},

	async "unsubscribed events"(t) {
		const connection = counter(t).connect();
		let count = 0;
		const stop = connection.on("newCount", () => count++);
		await connection.increment(1);
		stop();
		await connection.increment(1);
		await connection.increment(1);
		assert.equal(count, 1);
		await connection.dispose();
	},

	async "errors over a connection"(t) {
		const connection = counter(t).connect();
		const error = await failure(connection.userErr());
		assert.equal(`${error.group}.${error.code}`, "user.nope_code");
		assert.deepEqual(error.metadata, { a: 1 });
		masked(await failure(connection.boom()));
		assert.equal((await failure(connection.noSuchAction())).code, "action_not_found");
		assert.equal(await connection.increment(1), 1, "the connection lives on");
		await connection.dispose();
	},

	async "many actions at once"(t) {
		const connection = counter(t).connect();
		const results = await Promise.all(Array.from({ length: 200 }, (_, index) => connection.echo(index)));
		assert.deepEqual(results, Array.from({ length: 200 }, (_, index) => [index]));
		await connection.dispose();
	},

	async "scheduled events"(t) {
		const connection = counter(t).connect();
		const ticked = first((listener) => connection.on("ticked", listener), "the scheduled event");
		assert.equal(await connection.later(50), "scheduled");
		assert.equal(await ticked, "arg1");
		await connection.dispose();
	},

	async "create and duplicate"(t) {
		const key = t.key();
		const handle = await t.client.counter.create(key, { params: PARAMS, input: { start: 40 } });
		assert.equal(await handle.increment(2), 42);
		const error = await failure(t.client.counter.create(key, { params: PARAMS }));
		assert.equal(`${error.group}.${error.code}`, "actor.duplicate_key");
		assert.equal(await t.client.counter.get(key, { params: PARAMS }).increment(1), 43);
	},

	async "input of getOrCreate"(t) {
		const options = { params: PARAMS, createWithInput: { start: 10 } };
		const key = t.key();
		assert.equal(await t.client.counter.getOrCreate(key, options).increment(1), 11);
		assert.equal(await t.client.counter.getOrCreate(key, { ...options, createWithInput: { start: 70 } }).increment(1), 12);
	},

	async "input of every kind"(t) {
		// Before 2.3 the client itself fails on a BigInt here.
		const input = { bytes: new Uint8Array([1, 2]), big: t.modern ? 5n : 5, list: [1, "x", null, ["$y", 1, 2]], deep: { a: {} } };
		const options = { params: PARAMS, input };
		const created = await t.client.counter.create(t.key(), options);
		assert.deepEqual(normal(await created.input()), normal(input));
		const handle = t.client.counter.getOrCreate(t.key(), { params: PARAMS, createWithInput: input });
		assert.deepEqual(normal(await handle.input()), normal(input));
	},

	async destroy(t) {
		const handle = await t.client.counter.create(t.key(), { params: PARAMS });
		const id = await handle.resolve();
		await handle.increment(1);
		await handle.doDestroy();
		await gone(t, id);
	},

	async "an actor that never was"(t) {
		const error = await failure(t.client.counter.getForId("0123456789abcdef0123456789abcdef", { params: PARAMS }).increment(1));
		assert.equal(`${error.group}.${error.code}`, "actor.not_found");
	},

	async "an unknown kind of actor"(t) {
		const error = await failure(t.client.doesNotExist.getOrCreate(t.key()).foo());
		assert.equal(`${error.group}.${error.code}`, "actor.not_registered");
	},

	// A sleeping actor keeps its connections: no new opening, and the state and the subscriptions are still there.
	async "sleep under a connection"(t) {
		const handle = counter(t);
		const connection = handle.connect();
		const counts = [];
		connection.on("newCount", (count) => counts.push(count));
		let closed = 0;
		connection.onClose?.(() => closed++);
		assert.equal(await connection.increment(1), 1);
		await handle.goToSleep();
		assert.equal(await connection.increment(1), 2);
		assert.equal(await handle.increment(1), 3);
		assert.deepEqual((await connection.whoami()).conn, { user: "u1" });
		assert.deepEqual(counts, [1, 2, 3]);
		assert.equal(closed, 0);
		await connection.dispose();
	},

	async queue(t) {
		if (t.version.startsWith("2.0")) return; // it has none
		const handle = counter(t);
		await handle.send("jobs", { id: 1 });
		const answer = await handle.send("jobs", { id: 21 }, { wait: true, timeout: 60_000 });
		assert.equal(answer.status, "completed");
		assert.deepEqual(answer.response, { done: 42 });
		const error = await failure(handle.send("nothing", { id: 1 }));
		assert.equal(`${error.group}.${error.code}`, "queue.unsupported");
	},

	async "a dotted action name"(t) {
		assert.equal(await counter(t).action({ name: "a.b", args: [1] }), 2);
		if (t.modern) assert.equal(await counter(t).a.b(1), 2);
	},
};

/** Waits until an id is no longer known: a destroyed actor vanishes at once, but destroying takes its time. */
async function gone(t, id) {
	for (let attempt = 0; ; attempt++) {
		const error = await t.client.counter.getForId(id, { params: PARAMS }).increment(1).then(() => null, (error) => error);
		if (error?.group === "actor" && /^(not_found|destroyed)/.test(error.code)) return;
		assert.ok(attempt < 3000, `the actor is still there: ${error?.group}.${error?.code}`);
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}

/** Byte strings as arrays, so that buffers and typed arrays compare by content. */
function normal(value) {
	if (value instanceof ArrayBuffer) value = new Uint8Array(value);
	if (ArrayBuffer.isView(value)) return { bytes: [...value] };
	if (Array.isArray(value)) return value.map(normal);
	if (value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) {
		return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, normal(member)]));
	}
	return value;
}
