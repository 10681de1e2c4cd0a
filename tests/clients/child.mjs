// Runs all scenarios with one client version in this runtime, in three encodings, and prints a line of JSON for each.
//
//     node child.mjs VERSION ENDPOINT [scenario]
import { scenarios } from "./scenarios.mjs";

const [version, endpoint, only] = process.argv.slice(2);
const { createClient } = await import(`rivetkit-${version}/client`);
const modern = !/^2\.[012]\./.test(version);
let keys = 0;

// A connection that is refused may reject promises that nobody holds; the scenario judges by what the client reports.
process.on("unhandledRejection", () => {});

for (const encoding of ["bare", "json", "cbor"]) {
	const options = { endpoint, encoding };
	const client = createClient(options);
	const context = {
		version,
		encoding,
		modern,
		client,
		key: () => [`k${process.pid}x${Date.now()}x${keys++}`],
	};
	for (const [name, run] of Object.entries(scenarios)) {
		if (only !== undefined && name !== only) continue;
		const limit = new Promise((_, reject) => setTimeout(() => reject(new Error("took more than 120 s")), 120_000).unref());
		const error = await Promise.race([run(context), limit]).then(
			() => null,
			(error) => `${error?.message ?? error}`.slice(0, 600) + (process.env.STACK ? error?.stack : ""),
		);
		process.stdout.write(`@@${JSON.stringify({ scenario: name, encoding, error })}\n`);
	}
	await client.dispose?.().catch(() => {});
}
process.exit(0);
