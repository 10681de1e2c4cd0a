// A registry of npm packages for tests: serves the packed packages of a directory, so that an application can install them,
// under aliases too, as it would install published ones.
//
//     node scripts/registry.mjs DIRECTORY
//
// Prints its URL. Other packages are not here; the scope's registry is set in an `.npmrc` (`@agentos:registry=URL`).
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

const directory = process.argv[2];

/** The `package.json` of a packed package: the content of a tar entry of this name. */
function manifest(packed) {
	const tar = gunzipSync(packed);
	for (let at = 0; at < tar.length; ) {
		const name = tar.toString("utf8", at, tar.indexOf(0, at));
		const size = parseInt(tar.toString("latin1", at + 124, at + 136), 8) || 0;
		if (name === "package/package.json") return JSON.parse(tar.toString("utf8", at + 512, at + 512 + size));
		at += 512 + Math.ceil(size / 512) * 512;
	}
	throw new Error("a package without package.json");
}

const packages = new Map();
for (const file of readdirSync(directory).filter((name) => name.endsWith(".tgz"))) {
	const packed = readFileSync(join(directory, file));
	const described = manifest(packed);
	const integrity = `sha512-${createHash("sha512").update(packed).digest("base64")}`;
	packages.set(described.name, { file, packed, described, integrity });
}

const server = createServer((request, response) => {
	const path = decodeURIComponent(new URL(request.url, "http://registry").pathname).slice(1);
	const base = `http://127.0.0.1:${server.address().port}`;
	const found = packages.get(path);
	if (found !== undefined) {
		const { described, file, integrity } = found;
		const { name, version } = described;
		const versions = { [version]: { ...described, dist: { tarball: `${base}/-/${file}`, integrity } } };
		response.setHeader("content-type", "application/json");
		return response.end(JSON.stringify({ name, "dist-tags": { latest: version }, versions }));
	}
	const packed = [...packages.values()].find(({ file }) => path === `-/${file}`)?.packed;
	response.statusCode = packed === undefined ? 404 : 200;
	response.end(packed ?? "{}");
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
