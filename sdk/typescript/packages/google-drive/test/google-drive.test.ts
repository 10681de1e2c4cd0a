import assert from "node:assert/strict";
import { createVerify, generateKeyPairSync } from "node:crypto";
import { after, before, beforeEach, test } from "node:test";
import { inspect } from "node:util";
import { AgentOs } from "@agentos/core";
import { GoogleDriveBlockStore, type GoogleDriveConfig, GoogleDriveFiles, createGoogleDriveBackend } from "@agentos/google-drive";
import { type Service, service } from "./service.js";

const TOKEN = "t0k3n-secret";
const FOLDER = "application/vnd.google-apps.folder";

let drive: Service;
before(async () => void (drive = await service()));
after(() => drive.close());
beforeEach(() => {
  drive.files.clear();
  drive.log.length = 0;
  drive.claims.length = 0;
  Object.assign(drive, { page: 1000, refuse: () => undefined, lose: () => false, keeps: Infinity, tokens: new Set([TOKEN]) });
});

function config(more: Partial<GoogleDriveConfig> = {}): GoogleDriveConfig {
  return { folderId: "top", accessToken: () => TOKEN, endpoint: drive.endpoint, flushMs: 3_600_000, ...more };
}

const code = (error: unknown): unknown => (error as { code?: unknown }).code;
const fails = (work: Promise<unknown>, wanted: string) => assert.rejects(work, (error) => {
  assert.equal(code(error), wanted, String(error));
  // Whatever is shown of an error shows no token.
  assert.ok(!inspect(error, { depth: 9 }).includes(TOKEN));
  return true;
});
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (content: string): Uint8Array => new TextEncoder().encode(content);
const inDrive = (name: string): string | undefined => [...drive.files.values()].find((file) => file.name === name && !file.trashed)?.content.toString();

test("programs of a VM use it, and another VM finds what they left", async () => {
  drive.add("greeting", "hello\n");
  const vm = await AgentOs.create({ software: ["common"], mounts: [{ path: "/work", driver: createGoogleDriveBackend(config()) }] });
  const done = await vm.exec(
    "cd /work && cat greeting && mkdir -p a/b && echo one > a/b/f && echo two >> a/b/f && cp a/b/f g && mv g h && rm greeting && " +
      "head -c 9000000 /dev/zero | tr '\\0' x > big && printf Y | dd of=big bs=1 seek=8999999 conv=notrunc 2>/dev/null && mv a c && ls && cat c/b/f",
  );
  assert.equal(done.stdout, "hello\nbig\nc\nh\none\ntwo\n", done.stderr);
  await vm.dispose();
  assert.equal(inDrive("f"), "one\ntwo\n");
  assert.equal(inDrive("big")?.length, 9_000_000);
  assert.equal(drive.log.filter((line) => line.startsWith("PUT")).length, 4, "two small files and two pieces of the big one");
  assert.deepEqual([...drive.files.values()].filter(({ trashed }) => trashed).map(({ name }) => name), ["greeting"]);
  const again = await AgentOs.create({ software: ["common"], mounts: [{ path: "/work", driver: createGoogleDriveBackend(config()), readOnly: true }] });
  const seen = await again.exec("cd /work && cat h && stat -c %s big && tr -d x < big && rmdir c/b");
  assert.equal(seen.stdout, "one\ntwo\n9000000\nY");
  assert.match(seen.stderr, /Read-only/);
  await again.dispose();
});

test("it is a filesystem like any other", async () => {
  const files = createGoogleDriveBackend(config());
  await fails(files.stat("/no"), "ENOENT");
  await files.mkdir("/d");
  await fails(files.mkdir("/d"), "EEXIST");
  await files.writeFile("/d/f", bytes("hello"));
  await fails(files.mkdir("/d/f/x"), "ENOTDIR");
  await fails(files.rmdir("/d"), "ENOTEMPTY");
  await fails(files.rmdir("/d/f"), "ENOTDIR");
  await fails(files.unlink("/d"), "EISDIR");
  await fails(files.readFile("/d"), "EISDIR");
  await fails(files.rename("/d", "/d/e"), "EINVAL");
  await fails(files.rename("/d", "/no/where"), "ENOENT");
  await fails(files.rename("/d/f", "/d"), "EISDIR");
  await files.rename("/d", "/e");
  assert.deepEqual(await files.readdir("/"), [{ name: "e", type: "directory" }]);
  assert.equal(text(await files.readFile("/e/f")), "hello");
  await files.truncate("/e/f", 2);
  await files.truncate("/e/f", 4);
  assert.deepEqual([...(await files.readFile("/e/f"))], [104, 101, 0, 0]);
  await files.pwrite("/e/f", 6, bytes("ab"));
  assert.deepEqual([...(await files.pread("/e/f", 3, 100))], [0, 0, 0, 97, 98]);
  await files.utimes("/e/f", 5000);
  assert.deepEqual(await files.stat("/e/f"), { type: "file", size: 8, mtimeMs: 5000 });
  await files.writeFile("/e/g", bytes("new"));
  await files.rename("/e/g", "/e/f");
  await files.flush();
  const again = createGoogleDriveBackend(config());
  assert.deepEqual(await again.readdir("/e"), [{ name: "f", type: "file" }]);
  assert.equal(text(await again.readFile("/e/f")), "new");
  await again.unlink("/e/f");
  await again.rmdir("/e");
  assert.deepEqual(await createGoogleDriveBackend(config()).readdir("/"), []);
  await fails(createGoogleDriveBackend(config({ maxFileBytes: 10 })).writeFile("/x", new Uint8Array(11)), "EFBIG");
});

test("what is removed goes to the bin, or is gone", async () => {
  const [kept, gone] = [drive.add("kept", "1"), drive.add("gone", "2")];
  await createGoogleDriveBackend(config()).unlink("/kept");
  await createGoogleDriveBackend(config({ permanent: true })).unlink("/gone");
  assert.equal(drive.files.get(kept)?.trashed, true);
  assert.equal(drive.files.has(gone), false);
});

test("long folders come page by page", async () => {
  drive.page = 10;
  for (let at = 0; at < 95; at++) drive.add(`f${at}`, "");
  const files = createGoogleDriveBackend(config());
  assert.equal((await files.readdir("/")).length, 95);
  assert.equal(drive.log.length, 10);
  await files.stat("/f94");
  assert.equal(drive.log.length, 10, "a listing is believed for a moment");
});

test("names and things that no filesystem has harm nothing", async () => {
  const twice = [drive.add("same", "first"), drive.add("same", "second")];
  drive.add("a/b", "x");
  drive.add("..", "x");
  const folder = drive.add("papers", "", "top", FOLDER);
  drive.add("text", "", folder, "application/vnd.google-apps.document");
  const files = createGoogleDriveBackend(config());
  const names = (await files.readdir("/")).map((entry) => (typeof entry === "string" ? entry : entry.name));
  assert.deepEqual(names, ["same", `same (${twice[1]})`, "papers"]);
  assert.equal(text(await files.readFile("/same")), "first");
  assert.equal(text(await files.readFile(`/same (${twice[1]})`)), "second");
  // A document of Google's is no file, but the folder is not empty.
  await fails(files.rmdir("/papers"), "ENOTEMPTY");
});

test("too many requests are made again, as late as the service asks for", async () => {
  drive.add("f", "x");
  for (const refusal of [[429, "rateLimitExceeded", { "retry-after": "1" }], [403, "userRateLimitExceeded"], [503]] as const) {
    let left = 2;
    drive.refuse = () => (left-- > 0 ? ([...refusal] as [number, string, Record<string, string>]) : undefined);
    const begun = Date.now();
    assert.equal(text(await createGoogleDriveBackend(config()).readFile("/f")), "x");
    assert.ok(Date.now() - begun >= (refusal[0] === 429 ? 1990 : 590), String(refusal[0]));
  }
});

test("errors are those of a system", async () => {
  drive.add("f", "x");
  const files = createGoogleDriveBackend(config({ listMs: 3_600_000 }));
  await files.stat("/f");
  for (const [status, reason, wanted] of [
    [403, "insufficientFilePermissions", "EACCES"], [404, "notFound", "ENOENT"], [403, "storageQuotaExceeded", "ENOSPC"], [400, "badRequest", "EIO"],
    [413, "uploadTooLarge", "EFBIG"], [302, "moved", "EIO"],
  ] as const) {
    drive.refuse = () => [status, reason, { location: "http://127.0.0.1:1/" }];
    await fails(files.readFile("/f"), wanted);
    await files.writeFile("/new", bytes("x"));
    await fails(files.flush(), wanted);
  }
  drive.refuse = () => undefined;
  await files.flush();
  assert.equal(inDrive("new"), "x");
  drive.refuse = (_, path) => (path.startsWith("/upload") ? [403, "storageQuotaExceeded"] : undefined);
  const vm = await AgentOs.create({ software: ["common"], mounts: [{ path: "/d", driver: createGoogleDriveBackend(config()) }] });
  await vm.writeFile("/d/x", "y");
  await assert.rejects(vm.dispose(), /ENOSPC/);
});

test("a change that fails by itself is told with the next call, once, and tried again", async () => {
  const files = createGoogleDriveBackend(config({ flushMs: 0, listMs: 3_600_000 }));
  await files.readdir("/");
  drive.refuse = () => [403, "insufficientFilePermissions"];
  await files.writeFile("/f", bytes("x"));
  let told: unknown;
  while (told === undefined) {
    await new Promise((resolve) => setImmediate(resolve));
    told = await files.stat("/f").then(() => undefined, (error: unknown) => error);
  }
  assert.equal(code(told), "EACCES");
  drive.refuse = () => undefined;
  assert.equal((await files.stat("/f")).size, 1);
  await files.flush();
  assert.equal(inDrive("f"), "x");
});

test("a file is created once, though the answer was lost", async () => {
  const files = createGoogleDriveBackend(config());
  await files.readdir("/");
  let lost = 0;
  drive.lose = () => ++lost === 1;
  await files.mkdir("/d");
  assert.equal(drive.log.filter((line) => line === "POST /drive/v3/files").length, 2);
  assert.equal([...drive.files.values()].filter(({ name }) => name === "d").length, 1);
});

test("of a piece that the service keeps in part the rest is sent again", async () => {
  drive.keeps = 5 << 20;
  const files = createGoogleDriveBackend(config());
  const content = new Uint8Array(20 << 20).map((_, at) => at % 251);
  await files.writeFile("/f", content);
  await files.flush();
  const kept = [...drive.files.values()][0]?.content ?? Buffer.alloc(0);
  assert.ok(kept.equals(Buffer.from(content)));
});

test("a token that was refused is asked for anew, once", async () => {
  drive.add("f", "x");
  const given: string[] = [];
  drive.tokens = new Set(["second"]);
  const accessToken = async (): Promise<string> => (given.push("asked"), given.length === 1 ? "first" : "second");
  assert.equal(text(await createGoogleDriveBackend(config({ accessToken })).readFile("/f")), "x");
  assert.equal(given.length, 2);
  drive.tokens.clear();
  await fails(createGoogleDriveBackend(config()).stat("/f"), "EACCES");
  const wrong: (() => unknown)[] = [() => "", () => "a\nb: c", () => 5, () => { throw new Error(`bad ${TOKEN}`); }];
  for (const accessToken of wrong) await fails(createGoogleDriveBackend(config({ accessToken: accessToken as () => string })).stat("/f"), "EACCES");
});

test("a service account proves itself with a signed claim", async () => {
  drive.add("f", "x");
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const credentials = { clientEmail: "robot@example.iam", privateKey: privateKey.export({ type: "pkcs8", format: "pem" }) as string };
  const { accessToken: _, ...rest } = config();
  const files = new GoogleDriveBlockStore({ ...rest, credentials, tokenEndpoint: `${drive.endpoint}/token` });
  assert.ok(files instanceof GoogleDriveFiles);
  assert.equal(text(await files.readFile("/f")), "x");
  await files.stat("/f");
  assert.equal(drive.claims.length, 1, "a token is kept");
  const [head = "", claims = "", signature = ""] = (drive.claims[0]?.get("assertion") ?? "").split(".");
  assert.ok(createVerify("RSA-SHA256").update(`${head}.${claims}`).verify(publicKey, signature, "base64url"));
  const { iss, aud, scope, iat, exp } = JSON.parse(Buffer.from(claims, "base64url").toString()) as Record<string, unknown>;
  assert.deepEqual([iss, aud, scope, Number(exp) - Number(iat)], ["robot@example.iam", `${drive.endpoint}/token`, "https://www.googleapis.com/auth/drive", 3600]);
  const broken = { clientEmail: "robot@example.iam", privateKey: `no key ${TOKEN}` };
  await fails(createGoogleDriveBackend({ ...rest, credentials: broken, tokenEndpoint: `${drive.endpoint}/token` }).stat("/f"), "EACCES");
});

test("nobody who answers is EIO", async () => {
  await fails(createGoogleDriveBackend(config({ endpoint: "http://127.0.0.1:1", requestTimeoutMs: 100 })).stat("/f"), "EIO");
});

test("wrong options are named, and never shown", () => {
  const wrong: [unknown, RegExp][] = [
    [undefined, /^config:/], [{}, /config\.folderId/], [config({ folderId: "a/b" }), /config\.folderId/], [config({ endpoint: "ftp://x" }), /config\.endpoint/],
    [{ folderId: "x" }, /exactly one/], [{ ...config(), credentials: { clientEmail: "x", privateKey: "y" } }, /exactly one/],
    [{ folderId: "x", credentials: { clientEmail: "x" } }, /config\.credentials\.privateKey/], [{ ...config(), accessToken: TOKEN }, /config\.accessToken/],
    [{ ...config(), folder: 1 }, /config\.folder: unknown key/], [config({ flushMs: -1 }), /config\.flushMs/], [{ ...config(), permanent: 1 }, /config\.permanent/],
  ];
  for (const [given, message] of wrong) {
    assert.throws(() => createGoogleDriveBackend(given as GoogleDriveConfig), (error: Error) => {
      assert.equal(code(error), "invalid_config");
      assert.match(error.message, message);
      return !inspect(error, { depth: 9 }).includes(TOKEN);
    });
  }
});
