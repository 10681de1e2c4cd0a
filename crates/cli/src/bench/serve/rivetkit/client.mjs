// What an action costs the stock RivetKit client on two servers: HTTP over kept-alive connections, and WebSocket, one call
// after the other. The servers take turns of a few calls, so that a busy moment of the machine meets both.
//
//     node client.mjs OURS THEIRS TURNS CALLS
//
// Prints one object of JSON with the microseconds of every call: {"http": {"ours", "theirs"}, "webSocket": {"ours", "theirs"}}.
import { argv, exit, hrtime, stdout } from "node:process";
import { createClient } from "rivetkit/client";

const [ours, theirs] = argv.slice(2, 4);
const [turns, calls] = argv.slice(4, 6).map(Number);
const call = { name: "exists", args: ["/home/user"] };

async function sequence(target, count, took) {
	for (let index = 0; index < count; index++) {
		const begun = hrtime.bigint();
		const answer = await target.action(call);
		took?.push(Number(hrtime.bigint() - begun) / 1000);
		if (answer !== true) throw new Error(`the answer was ${JSON.stringify(answer)}`);
	}
}

async function compare(ours, theirs) {
	const took = { ours: [], theirs: [] };
	// Compilers and caches of both sides get to know their work.
	await sequence(ours, turns * 2);
	await sequence(theirs, turns * 2);
	for (let turn = 0; turn < turns; turn++) {
		// Who begins alternates too.
		const order = [() => sequence(ours, calls, took.ours), () => sequence(theirs, calls, took.theirs)];
		if (turn % 2 === 1) order.reverse();
		for (const run of order) await run();
	}
	return took;
}

const handle = (endpoint) => createClient({ endpoint }).vm.getOrCreate(["compared"]);
const handles = [handle(ours), handle(theirs)];
const http = await compare(...handles);
const connections = handles.map((handle) => handle.connect());
const webSocket = await compare(...connections);
for (const connection of connections) await connection.dispose();
stdout.write(JSON.stringify({ http, webSocket }), () => exit(0));
