// Every name that a package exports has a test that uses it and a guide that tells of it, and every type one that the compiler checks.
//
// AGENTOS_ROOT is the checkout with the tests and the guides; the packages are those that are installed here.
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
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

/** The declarations of a package's entry: `@agentos/client/errors` is the entry `./errors` of `@agentos/client`. */
function declarations(name) {
  const [scope, base, ...entry] = name.split("/");
  const installed = createRequire(import.meta.url).resolve.paths(name).map((folder) => join(folder, scope, base));
  // An application without React has no hooks; those of the checkout are the same.
  const places = [...installed, join(root, "sdk/typescript/packages", base)];
  const folder = places.find((place) => existsSync(join(place, "package.json")));
  const { exports } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return join(folder, exports[["." , ...entry].join("/")].types);
}

/** Types, and nothing that is a value as well, that a file of declarations exports: its own, and those of files beside it. */
function typesOf(file) {
  const text = readFileSync(file, "utf8").replace(/\/\*[^]*?\*\//g, "").replace(/\/\/.*/g, "");
  const found = new Set([...text.matchAll(/^export (?:declare )?(?:interface|type) (\w+)\b(?!\s*\})/gm)].map((match) => match[1]));
  for (const [, type, list, from] of text.matchAll(/^export (type )?\{([^}]*)\}(?: from "([^"]+)")?;/gm)) {
    // What comes from another package is tested there, and a list without a source is one of values.
    if (from === undefined || !from.startsWith(".")) continue;
    for (const one of list.split(",").map((one) => one.trim()).filter(Boolean)) {
      const name = one.replace(/^type /, "").split(" as ").at(-1);
      const isType = type !== undefined || one.startsWith("type ");
      if (isType || typesOf(join(dirname(file), from.replace(/\.js$/, ".d.ts"))).has(one.split(" as ")[0])) found.add(name);
    }
  }
  for (const [, from] of text.matchAll(/^export (?:type )?\* from "(\.[^"]+)";/gm)) {
    for (const name of typesOf(join(dirname(file), from.replace(/\.js$/, ".d.ts")))) found.add(name);
  }
  return found;
}

/** What tests that the compiler checks use; an import is no use. */
const compiled = root === undefined ? "" : texts(join(root, "sdk/typescript"), /\/test\/.*\.tsx?$/).replace(/^(import|export) [^;]*? from "[^"]*";/gm, "");

for (const name of [
  "@agentos/client", "@agentos/client/errors", "@agentos/core", "@agentos/google-drive", "@agentos/react", "@agentos/rivetkit", "@agentos/rivetkit/agent-os",
  "@agentos/rivetkit/db", "@agentos/s3",
]) {
  test(`${name}: every exported type is used where the compiler checks it`, options, () => {
    const types = [...typesOf(declarations(name))];
    assert.ok(types.length > 0);
    assert.deepEqual(types.filter((one) => !new RegExp(`\\b${one}\\b`).test(compiled)).sort(), []);
  });
}
