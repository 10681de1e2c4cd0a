import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { AgentOs } from "@agentos/core";
import { type S3Config, createS3Backend, createS3BackendForAgent } from "@agentos/s3";
import { sha256, sign } from "@agentos/s3/signature";
import { type Service, service } from "./service.js";

let s3: Service;
before(async () => void (s3 = await service()));
after(() => s3.close());
beforeEach(() => {
  s3.objects.clear();
  s3.log.length = 0;
  s3.refuse = () => undefined;
});

function config(more: Partial<S3Config> = {}): S3Config {
  return { bucket: "work", prefix: "p/", region: "here", endpoint: s3.endpoint, credentials: { accessKeyId: "key", secretAccessKey: "secret" }, flushMs: 3_600_000, ...more };
}

const code = (error: unknown): unknown => (error as { code?: unknown }).code;
const fails = (work: Promise<unknown>, wanted: string) => assert.rejects(work, (error) => code(error) === wanted);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (content: string): Uint8Array => new TextEncoder().encode(content);
const chunks = (): string[] => [...s3.objects.keys()].filter((path) => path.includes("/chunks/"));

test("a request is signed as the documentation's example", () => {
  const headers = sign(
    { method: "GET", host: "examplebucket.s3.amazonaws.com", path: "/test.txt", query: [], headers: { range: "bytes=0-9" }, payloadHash: sha256("") },
    { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" },
    "us-east-1",
    new Date("2013-05-24T00:00:00Z"),
  );
  assert.match(headers["authorization"] ?? "", /Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41$/);
});

test("programs of a VM use it, and another VM finds what they left", async () => {
  const vm = await AgentOs.create({ software: ["common"], mounts: [{ path: "/work", driver: createS3Backend(config()) }] });
  const done = await vm.exec(
    "cd /work && mkdir -p a/b && echo one > a/b/f && echo two >> a/b/f && ln -s a/b/f link && cp a/b/f g && mv g h && rm -f nothing && " +
      "chmod 600 h && head -c 5000000 /dev/zero | tr '\\0' x > big && printf Y | dd of=big bs=1 seek=4194303 conv=notrunc 2>/dev/null && ls",
  );
  assert.equal(done.stdout, "a\nbig\nh\nlink\n", done.stderr);
  await vm.dispose();
  assert.equal(s3.log.filter((line) => line === "PUT /work/p/manifest.json").length, 1);
  assert.equal(chunks().length, 4, "two small files and two chunks of the big one");
  const again = await AgentOs.create({ software: ["common"], mounts: [{ path: "/work", driver: createS3Backend(config()), readOnly: true }] });
  const seen = await again.exec("cd /work && cat link && stat -c '%a %s' h big && tr -d x < big && rmdir a/b");
  assert.equal(seen.stdout, "one\ntwo\n600 8\n644 5000000\nY");
  assert.match(seen.stderr, /Read-only/);
  await again.dispose();
});

test("it is a filesystem like any other", async () => {
  const files = createS3Backend(config());
  await fails(files.stat("/no"), "ENOENT");
  await files.mkdir("/d");
  await fails(files.mkdir("/d"), "EEXIST");
  await files.writeFile("/d/f", bytes("hello"));
  await fails(files.mkdir("/d/f/x"), "ENOTDIR");
  await fails(files.rmdir("/d"), "ENOTEMPTY");
  await fails(files.rmdir("/d/f"), "ENOTDIR");
  await fails(files.unlink("/d"), "EISDIR");
  await fails(files.readlink("/d/f"), "EINVAL");
  await fails(files.rename("/d", "/d/e"), "EINVAL");
  await fails(files.rename("/d", "/no/where"), "ENOENT");
  await fails(files.rename("/d/f", "/d"), "EISDIR");
  await files.rename("/d", "/e");
  assert.deepEqual(await files.readdir("/"), [{ name: "e", type: "directory" }]);
  assert.equal(text(await files.readFile("/e/f")), "hello");
  await files.truncate("/e/f", 2);
  await files.truncate("/e/f", 4);
  assert.deepEqual([...(await files.readFile("/e/f"))], [104, 101, 0, 0]);
  await files.pwrite("/e/f", (4 << 20) - 2, bytes("border"));
  assert.equal(text(await files.pread("/e/f", (4 << 20) - 2, 100)), "border");
  await files.flush();
  await files.truncate("/e/f", (4 << 20) + 1);
  await files.truncate("/e/f", (4 << 20) + 4);
  assert.deepEqual([...(await files.pread("/e/f", 4 << 20, 100))], [114, 0, 0, 0].map((byte, at) => (at === 0 ? bytes("border")[2] : byte)));
  await files.utimes("/e/f", 5);
  await files.chmod("/e/f", 0o100600);
  assert.deepEqual(await files.stat("/e/f"), { type: "file", size: (4 << 20) + 4, mode: 0o600, mtimeMs: 5 });
  await files.unlink("/e/f");
  await files.rmdir("/e");
  await files.flush();
  assert.deepEqual(chunks(), [], "what nobody names is removed");
  assert.deepEqual(await createS3Backend(config()).readdir("/"), []);
});

test("writes at the same time lose nothing", async () => {
  const files = createS3Backend(config());
  await files.writeFile("/f", new Uint8Array(100_000));
  await files.flush();
  const again = createS3Backend(config());
  const parts = Array.from({ length: 100 }, (_, at) => at);
  await Promise.all(parts.map((at) => again.pwrite("/f", at * 1000, new Uint8Array(1000).fill(at + 1))));
  await Promise.all([again.flush(), again.pwrite("/f", 0, bytes("!")), again.flush()]);
  const read = await createS3Backend(config()).readFile("/f");
  assert.ok(parts.every((at) => read[at * 1000 + 1] === at + 1));
  assert.equal(read[0], 33);
});

test("what breaks off leaves the old files or the new ones", async () => {
  const files = createS3Backend(config());
  await files.writeFile("/f", bytes("old"));
  await files.flush();
  await files.writeFile("/f", bytes("new"));
  await files.writeFile("/g", bytes("more"));
  for (const broken of ["chunks", "manifest"]) {
    s3.refuse = (method, path) => (method === "PUT" && path.includes(broken) ? 403 : undefined);
    await assert.rejects(files.flush(), /the bucket answered 403 \(Test403\) to PUT/);
    assert.equal(text(await createS3Backend(config()).readFile("/f")), "old");
    assert.equal(text(await files.readFile("/f")), "new");
  }
  s3.refuse = () => undefined;
  await files.flush();
  assert.equal(text(await createS3Backend(config()).readFile("/f")), "new");
  assert.equal(chunks().length, 2);
});

test("a failure that passes is overcome, one that stays is EIO", async () => {
  const files = createS3Backend(config());
  let left = 2;
  s3.refuse = () => (left-- > 0 ? 503 : undefined);
  await files.writeFile("/f", bytes("x"));
  await files.flush();
  s3.refuse = () => 500;
  await fails(createS3Backend(config()).stat("/f"), "EIO");
  await fails(createS3Backend(config({ credentials: { accessKeyId: "other", secretAccessKey: "secret" } })).stat("/f"), "EIO");
  s3.refuse = () => undefined;
  const closed = createS3Backend(config({ endpoint: "http://127.0.0.1:1" }));
  await fails(closed.stat("/f"), "EIO");
});

test("a change that fails by itself is told with the next call, once", async () => {
  const files = createS3Backend(config({ flushMs: 0 }));
  s3.refuse = (method) => (method === "PUT" ? 403 : undefined);
  await files.writeFile("/f", bytes("x"));
  let told: unknown;
  while (told === undefined) {
    await new Promise((resolve) => setImmediate(resolve));
    told = await files.stat("/f").then(() => undefined, (error: unknown) => error);
  }
  assert.equal(code(told), "EIO");
  s3.refuse = () => undefined;
  assert.equal((await files.stat("/f")).size, 1);
  await files.flush();
  assert.equal(text(await createS3Backend(config()).readFile("/f")), "x");
});

test("a second writer is noticed", async () => {
  const [one, two] = [createS3Backend(config()), createS3Backend(config())];
  await one.writeFile("/f", bytes("one"));
  await two.writeFile("/f", bytes("two"));
  await one.flush();
  await assert.rejects(two.flush(), /changed by somebody else/);
  assert.equal(text(await two.readFile("/f")), "one");
  await two.writeFile("/g", bytes("two"));
  await two.flush();
  assert.deepEqual((await createS3Backend(config()).readdir("/")).length, 2);
});

test("what is in the bucket is not trusted", async () => {
  const node = { type: "file", mode: 0o644, mtimeMs: 0, size: 1, chunks: ["00000000-0000-0000-0000-000000000000"] };
  const root = ["/", { type: "directory", mode: 0o755, mtimeMs: 0, size: 0, chunks: [] }];
  const manifests: unknown[] = [
    5, { version: 2, nodes: [root] }, { version: 1, nodes: [] }, { version: 1, nodes: [root, ["/../x", node]] }, { version: 1, nodes: [root, ["x", node]] },
    { version: 1, nodes: [root, ["/a/b", node]] }, { version: 1, nodes: [root, ["/a", { ...node, size: -1 }]] }, { version: 1, nodes: [root, ["/a", { ...node, chunks: [] }]] },
    { version: 1, nodes: [root, ["/a", { ...node, chunks: ["../../other"] }]] }, { version: 1, nodes: [root, ["/a", { ...node, mode: 2 ** 40 }]] },
    { version: 1, nodes: [root, ["/a", node], ["/a", node]] }, { version: 1, nodes: [["/", node]] },
  ];
  for (const manifest of manifests) {
    s3.objects.set("/work/p/manifest.json", Buffer.from(JSON.stringify(manifest)));
    await fails(createS3Backend(config()).stat("/"), "EIO");
  }
  s3.objects.set("/work/p/manifest.json", Buffer.from(JSON.stringify({ version: 1, nodes: [root, ["/a", node]] })));
  await assert.rejects(createS3Backend(config()).readFile("/a"), /missing in the bucket/);
  s3.objects.set("/work/p/chunks/00000000-0000-0000-0000-000000000000", Buffer.alloc((4 << 20) + 1));
  await fails(createS3Backend(config()).readFile("/a"), "EIO");
});

test("each agent has files of its own", async () => {
  const names = ["a", "../a", "a/b", ["a", "b"], "."];
  for (const [at, key] of names.entries()) {
    const files = createS3BackendForAgent({ key }, config());
    assert.deepEqual(await files.readdir("/"), []);
    await files.writeFile("/f", bytes(String(at)));
    await files.flush();
  }
  assert.deepEqual([...s3.objects.keys()].filter((path) => path.endsWith("manifest.json")).length, names.length);
  assert.ok(s3.objects.has("/work/p/agents/a/manifest.json"));
});

test("wrong options are named", () => {
  const wrong: [unknown, RegExp][] = [
    [{}, /config\.bucket/], [{ bucket: "a/b" }, /config\.bucket/], [{ ...config(), endpoint: "ftp://x" }, /config\.endpoint/],
    [{ ...config(), region: "a b" }, /config\.region/], [{ ...config(), credentials: { accessKeyId: "x" } }, /config\.credentials\.secretAccessKey/],
    [{ ...config(), buckets: 1 }, /config\.buckets/], [{ ...config(), flushMs: -1 }, /config\.flushMs/],
  ];
  for (const [given, message] of wrong) assert.throws(() => createS3Backend(given as S3Config), (error: Error) => code(error) === "invalid_config" && message.test(error.message));
});
