import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { AgentOs } from "@agentos/core";
import { failsWith, text } from "./support.js";

let vm: AgentOs;
before(async () => {
  vm = await AgentOs.create({ software: ["common"] });
});
after(() => vm.dispose());

/** Starts a server in the VM that gives this answer once, and says when it listens. */
async function serve(port: number, answer: string): Promise<number> {
  await vm.writeFile("/tmp/answer", answer);
  const { pid } = vm.spawn("sh", ["-c", `nc -v -l ${port} < /tmp/answer > /tmp/request`]);
  await said(pid);
  return pid;
}

/** Waits until a process says something: `nc -v` does when it listens. */
async function said(pid: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const unsubscribe = vm.onProcessStderr(pid, () => {
      queueMicrotask(() => unsubscribe());
      resolve();
    });
  });
}

test("fetch takes and gives what the Web does, bodies streamed", async () => {
  // Answers when it is told to, so that the whole request has come before.
  await vm.exec("mkfifo /tmp/fifo");
  const { pid } = vm.spawn("sh", ["-c", "nc -v -l 8081 < /tmp/fifo > /tmp/request"]);
  const writer = vm.spawn("sh", ["-c", "cat > /tmp/fifo"]).pid;
  await said(pid);
  const body = new ReadableStream({
    start(controller) {
      for (const piece of ["one ", "two ", "three"]) controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  });
  const request = new Request("http://example.test/path?q=1#f", { method: "POST", body, headers: { "x-own": "v" }, duplex: "half" } as RequestInit);
  const pending = vm.fetch(8081, request);
  while (!text(await vm.readFile("/tmp/request")).includes("three")) await new Promise((resolve) => setImmediate(resolve));
  await vm.writeProcessStdin(writer, "HTTP/1.1 201 Created\r\nX-A: 1\r\nContent-Length: 5\r\n\r\nhello");
  await vm.closeProcessStdin(writer);
  const response = await pending;
  assert.equal(response.status, 201);
  assert.equal(response.headers.get("x-a"), "1");
  assert.equal(await response.text(), "hello");
  await vm.killProcess(pid);
  const sent = text(await vm.readFile("/tmp/request"));
  assert.match(sent, /^POST \/path\?q=1 HTTP\/1.1\r\n/);
  assert.match(sent, /x-own: v\r\n/i);
  assert.match(sent, /host: example.test\r\n/i);
  assert.match(sent, /4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\n/);
});

test("a request whose body fails does not look whole", async () => {
  const pid = await serve(8085, "");
  const body = new ReadableStream({
    pull(controller) {
      controller.error(new Error("the disk is gone"));
    },
  });
  await assert.rejects(vm.fetch(8085, "/", { method: "POST", body, duplex: "half" } as RequestInit));
  await vm.killProcess(pid);
  assert.ok(!text(await vm.readFile("/tmp/request")).endsWith("0\r\n\r\n"));
});

test("an answer that is not read is not fetched, and can be given up", async () => {
  const pid = await serve(8082, `HTTP/1.1 200 OK\r\n\r\n${"x".repeat(300_000)}`);
  const response = await vm.fetch(8082, "/big");
  const reader = response.body?.getReader();
  const first = await reader?.read();
  assert.ok((first?.value?.length ?? 0) > 0);
  await reader?.cancel();
  await vm.killProcess(pid);
});

test("vmFetch gives the whole answer", async () => {
  await serve(8083, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  const answer = await vm.vmFetch(8083, "/x", { headers: { a: "b" } });
  assert.equal(answer.status, 200);
  assert.equal(text(answer.body), "ok");
  await failsWith(vm.vmFetch(9, "/"), "no_listener");
  await failsWith(vm.fetch(9, "/"), "no_listener");
  await failsWith(vm.fetch(70_000, "/"), "invalid_argument");
});

test("a fetch can be aborted", async () => {
  const pid = await serve(8084, "");
  const abort = new AbortController();
  const pending = vm.fetch(8084, "/", { signal: abort.signal });
  abort.abort();
  await assert.rejects(pending, { name: "AbortError" });
  await vm.killProcess(pid);
});

test("of the host's loopback only exempt ports are reached", async () => {
  const servers = await Promise.all([0, 1].map(async () => {
    const server = createServer((_, response) => response.end("from the host"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return server;
  }));
  const [open, closed] = servers.map((server) => (server.address() as AddressInfo).port);
  const exempt = await AgentOs.create({ software: ["common"], loopbackExemptPorts: [open ?? 0] });
  assert.equal((await exempt.exec(`curl -s http://127.0.0.1:${open}/`)).stdout, "from the host");
  assert.notEqual((await exempt.exec(`curl -s http://127.0.0.1:${closed}/`)).exitCode, 0);
  const explained = await exempt.policy.explain("network", "http", "tcp://169.254.169.254:80");
  assert.equal(explained.guard?.label, "metadata");
  await exempt.dispose();
  for (const server of servers) server.close();
});
