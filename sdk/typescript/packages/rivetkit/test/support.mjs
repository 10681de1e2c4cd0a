// Starting programs as processes, and what tests share.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "rivetkit/client";

process.setMaxListeners(100);

/** A directory that is removed when the process ends. */
export function temporary() {
  const directory = mkdtempSync(join(tmpdir(), "agentos-test-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Runs a program of JavaScript; what it prints is collected. */
export function run(file, { env = {}, args = [] } = {}) {
  const child = spawn(process.execPath, [file, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, AGENTOS_PORT: "0", AGENTOS_DATA_DIR: temporary(), ...env },
  });
  const output = { stdout: "", stderr: "" };
  const watchers = new Set();
  for (const stream of ["stdout", "stderr"]) {
    child[stream].setEncoding("utf8").on("data", (text) => {
      output[stream] += text;
      for (const watcher of watchers) watcher();
    });
  }
  const ended = new Promise((resolve) => child.on("close", (code, signal) => resolve({ code, signal, ...output })));
  ended.then(() => watchers.forEach((watcher) => watcher()));
  /** Resolves with the match once the process has printed it. */
  const printed = (pattern) =>
    new Promise((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(output.stdout) ?? pattern.exec(output.stderr);
        if (found) {
          watchers.delete(look);
          resolve(found);
        } else if (child.exitCode !== null || child.signalCode !== null) {
          reject(new Error(`ended with ${child.exitCode ?? child.signalCode}\n${output.stdout}\n${output.stderr}`));
        }
      };
      watchers.add(look);
      child.once("close", look);
      look();
    });
  process.on("exit", () => child.kill("SIGKILL"));
  return { child, output, ended, printed };
}

/** Runs a program that serves a registry, for as long as the test runs. */
export async function serve(test, file, options) {
  const program = run(file, options);
  test.after(async () => {
    program.child.kill("SIGKILL");
    await program.ended;
  });
  const [, url] = await program.printed(/agentos is listening on (http:\S+)/);
  return { ...program, url, client: createClient(url) };
}

/** The error of a call that must fail. */
export async function failure(promise) {
  return promise.then(
    (value) => assert.fail(`succeeded with ${JSON.stringify(value)}`),
    (error) => error,
  );
}

/** A server of the host's loopback that answers with a text. */
export async function hostServer(test, text, port = 0) {
  const server = createServer((_request, response) => response.end(text));
  const listening = () => new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  // Somebody else may have the port for a while.
  while ((await listening().then(() => undefined, (error) => error))?.code === "EADDRINUSE") {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  test.after(() => server.close());
  return server.address().port;
}

/** A promise and what settles it. */
export function deferred() {
  let resolve;
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** A WebAssembly program that takes memory, 1 MiB at a time, until it gets none; its exit code is a quarter of the MiB. */
export const GROW = (() => {
  const text = (string) => [string.length, ...Buffer.from(string)];
  const section = (id, ...content) => [id, content.length, ...content];
  const body = [
    0x00,
    ...[0x03, 0x40, 0x41, 0x10, 0x40, 0x00, 0x41, 0x7f, 0x47, 0x0d, 0x00, 0x0b], // grow by 16 pages until that gives -1
    ...[0x3f, 0x00, 0x41, 0xc0, 0x00, 0x6e, 0x10, 0x00, 0x0b], // proc_exit(pages / 64)
  ];
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, 2, 0x60, 1, 0x7f, 0, 0x60, 0, 0),
    ...section(2, 1, ...text("wasi_snapshot_preview1"), ...text("proc_exit"), 0, 0),
    ...section(3, 1, 1),
    ...section(5, 1, 0, 0x10),
    ...section(7, 2, ...text("memory"), 2, 0, ...text("_start"), 0, 1),
    ...section(10, 1, body.length, ...body),
  ]);
})();
