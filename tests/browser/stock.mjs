// Stock RivetKit clients in a browser: bundled as an application would, on a page of another origin, which the server lists.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import net from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const VERSIONS = ["2.0.33", "2.2.1", "2.3.19"];
// Its HTTP actions stream their bodies, which Chromium does over HTTP/2 alone, that is over TLS.
const STREAMING = ["2.3.19"];
const ENCODINGS = ["bare", "json", "cbor"];

/** A site with a bundle of each client, on a free port of loopback. */
export async function site() {
  const scripts = new Map();
  for (const version of VERSIONS) {
    const bundle = await build({
      stdin: { contents: `export { createClient } from "rivetkit-${version}/client";`, resolveDir: here },
      bundle: true, format: "esm", platform: "browser", write: false, logLevel: "silent",
    });
    scripts.set(`/${version}.js`, bundle.outputFiles[0].text);
  }
  scripts.set("/page.js", PAGE);
  const server = createServer((request, response) => {
    const script = scripts.get(request.url);
    response.setHeader("content-type", script ? "text/javascript" : "text/html");
    response.end(script ?? `<!doctype html><title>client</title><script type="module" src="/page.js"></script>`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: server.address().port, stop: () => new Promise((resolve) => server.close(resolve).closeAllConnections()) };
}

/** A way to the server that can be cut. */
export async function cable(url) {
  const { protocol, hostname, port } = new URL(url);
  const open = new Set();
  const server = net.createServer((near) => {
    const far = net.connect(Number(port), hostname);
    const pair = [near, far];
    for (const socket of pair) {
      open.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => pair.forEach((each) => { open.delete(each); each.destroy(); }));
    }
    near.pipe(far).pipe(near);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => open.forEach((socket) => socket.destroy());
  return { url: `${protocol}//127.0.0.1:${server.address().port}`, cut, stop: () => { cut(); server.close(); } };
}

/** What a page of a listed origin does with one client. */
export async function listed(browser, origin, endpoint, cut) {
  const secure = endpoint.startsWith("https:");
  for (const version of VERSIONS.filter((version) => secure || !STREAMING.includes(version))) {
    for (const encoding of ENCODINGS) {
      const page = await browser.newPage();
      await page.goto(`${origin}/`);
      const call = (name) => page.evaluate(([name, ...about]) => globalThis.scenarios[name](...about), [name, version, encoding, endpoint]);
      await page.waitForFunction(() => globalThis.scenarios);
      try {
        assert.deepEqual(await call("create"), { same: true, taken: "actor.duplicate_key" });
        assert.deepEqual(await call("act"), { said: "hello\n", read: [0, 255, 7], error: "agentos.ENOENT" });
        assert.equal(await call("subscribe"), "told");
        cut();
        assert.equal(await call("regain"), "told again");
      } catch (error) {
        throw new Error(`rivetkit ${version}, ${encoding}, ${endpoint}: ${error.message}`, { cause: error });
      } finally {
        await page.close();
      }
    }
  }
}

/** What a page of any other origin gets: nothing. */
export async function stranger(browser, origin, endpoint) {
  for (const version of VERSIONS) {
    const page = await browser.newPage();
    await page.goto(`${origin}/`);
    await page.waitForFunction(() => globalThis.scenarios);
    const about = [version, "bare", endpoint];
    const outcome = await page.evaluate((about) => globalThis.scenarios.refused(...about), about);
    assert.deepEqual(outcome, { fetch: "TypeError", socket: "closed" }, version);
    await page.close();
  }
}

// Runs in the page.
const PAGE = `
const kept = {};
const patience = (promise, what) => Promise.race([
  promise, new Promise((_, refuse) => setTimeout(() => refuse(new Error(what + " took too long")), 120000)),
]);
const client = async (version, encoding, endpoint) => {
  const { createClient } = await import("/" + version + ".js");
  return (kept.client ??= createClient({ endpoint, encoding }));
};
const key = () => (kept.key ??= ["page", String(Math.random())]);
const vm = async (...about) => (await client(...about)).vm.getOrCreate(key());
const code = (error) => error.group ? error.group + "." + error.code : String(error);
/** Resolves with what a process says once the connection tells it. */
const told = (handle, words) => {
  let text = "";
  return new Promise((resolve) => {
    const stop = kept.connection.on("processOutput", ({ data }) => {
      text += new TextDecoder().decode(data);
      if (text.includes(words)) { stop(); resolve(words); }
    });
  });
};
globalThis.scenarios = {
  async create(...about) {
    const client_ = await client(...about);
    const made = await patience(client_.vm.create(key()), "create");
    const id = await made.resolve();
    const found = await (await vm(...about)).resolve();
    const taken = await client_.vm.create(key()).then(() => "created twice", code);
    return { same: id === found, taken };
  },
  async act(...about) {
    const handle = await vm(...about);
    const { stdout } = await patience(handle.exec("echo hello"), "exec");
    await handle.writeFile("/home/user/bytes", new Uint8Array([0, 255, 7]));
    const read = [...await handle.readFile("/home/user/bytes")];
    const error = await handle.readFile("/nowhere").then(() => "read", code);
    return { said: stdout, read, error };
  },
  async subscribe(...about) {
    kept.connection = (await vm(...about)).connect();
    const heard = told(kept.connection, "told");
    await patience(kept.connection.spawn("echo", ["told"]), "spawn");
    return await patience(heard, "the event");
  },
  async regain(...about) {
    const handle = await vm(...about);
    const heard = told(handle, "told again");
    // The connection comes back by itself and is subscribed again by then; until it is, events are lost.
    let over = false;
    heard.then(() => { over = true; });
    for (const start = Date.now(); !over && Date.now() - start < 120000;) {
      await handle.spawn("echo", ["told again"]).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    return await patience(heard, "the connection");
  },
  async refused(version, encoding, endpoint) {
    const read = await fetch(endpoint + "/metadata").then((answer) => "status " + answer.status, (error) => error.name);
    const socket = new WebSocket(endpoint.replace("http", "ws") + "/gateway/a/connect", ["rivet"]);
    const end = await new Promise((resolve) => { socket.onopen = () => resolve("open"); socket.onclose = () => resolve("closed"); });
    return { fetch: read, socket: end };
  },
};
`;
