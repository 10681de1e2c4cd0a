// What is published: no test, nothing of Node.js in what browsers load, no code made from texts (policies of pages forbid it).
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const dist = new URL("../dist/", import.meta.url);
const files = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"));

test("only one file is for Node.js", () => {
  const forNode = files.filter((name) => {
    const text = readFileSync(new URL(name, dist), "utf8");
    return /from "(node:|ws")|import\("ws"\)|\bprocess\.|\bBuffer\b/.test(text.replace(/\/\*[^]*?\*\/|\/\/.*/g, ""));
  });
  assert.deepEqual(forNode, ["platform/node.js"]);
});

test("no code is made at run time", () => {
  for (const name of files) assert.ok(!/\beval\(|new Function\b/.test(readFileSync(new URL(name, dist), "utf8")), name);
});

test("what is exported", async () => {
  const names = Object.keys(await import("../dist/index.js")).sort();
  const errors = ["ActorError", "InvalidScheduleError", "PastScheduleError", "UserError", "isActorError"];
  assert.deepEqual(names, [...errors, "createClient"].sort());
});
