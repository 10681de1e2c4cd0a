// Every name that a package exports has a test that uses it and a guide that tells of it.
//
// AGENTOS_ROOT is the checkout with the tests and the guides; the packages are those that are installed here.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = process.env.AGENTOS_ROOT;

/** What other packages of ours use, and applications do not. */
const INTERNAL = {
  "@agentos/client/errors": ["clientError", "invalidArgument"],
  "@agentos/core": ["forgetHooks", "planKit", "planMount", "planOptions"],
};

/** Texts of all files below a directory whose names match, in one. */
function texts(directory, pattern) {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  const paths = files.map((file) => join(file.parentPath ?? file.path, file.name)).filter((path) => pattern.test(path) && !path.includes("node_modules"));
  return paths.map((path) => readFileSync(path, "utf8")).join("\n");
}

const options = { skip: root === undefined ? "AGENTOS_ROOT is not set" : false };
const guides = root === undefined ? "" : texts(join(root, "docs"), /\.md$/);
const sources = root === undefined ? "" : texts(join(root, "sdk/typescript"), /\/test\/.*\.(ts|mjs)$/) + texts(join(root, "tests"), /\.(ts|tsx|mjs)$/);
// A list of names is no use of them.
const used = sources.split("\n").filter((line) => !/^\s*("\w+",? ?)+$/.test(line)).join("\n");

for (const name of [
  "@agentos/client", "@agentos/client/errors", "@agentos/core", "@agentos/google-drive", "@agentos/rivetkit", "@agentos/rivetkit/agent-os", "@agentos/rivetkit/client",
  "@agentos/rivetkit/db", "@agentos/s3",
]) {
  test(`${name}: every export is tested and documented`, options, async () => {
    const exported = Object.keys(await import(name)).filter((one) => !(INTERNAL[name] ?? []).includes(one));
    assert.ok(exported.length > 0);
    const lacks = (text) => exported.filter((one) => !new RegExp(`\\b${one}\\b`).test(text));
    assert.deepEqual({ untested: lacks(used), undocumented: lacks(guides) }, { untested: [], undocumented: [] });
  });
}
