// Runs the examples and compares what each prints with its `// prints` lines.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { run } from "./support.mjs";

for (const file of readdirSync("examples").filter((name) => name.endsWith(".ts"))) {
  test(file, async () => {
    const source = readFileSync(`examples/${file}`, "utf8");
    const expected = [...source.matchAll(/\/\/ prints: (.*)$/gm)].map(([, line]) => line.trim());
    const { code, stdout, stderr } = await run(`examples/${file.replace(/\.ts$/, ".js")}`).ended;
    assert.equal(code, 0, stderr);
    assert.ok(expected.length > 0);
    assert.deepEqual(stdout.trim().split("\n").map((line) => line.trim()), expected);
  });
}
