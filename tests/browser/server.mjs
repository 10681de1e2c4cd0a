// A server under test, and its VM with a development server inside.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/**
 * Starts `agentos serve` and waits for its first two lines. A data directory that is given stays when it has ended; `config` is
 * the text of a configuration file.
 */
export async function start(binary, { data: kept, listen = "127.0.0.1:0", config } = {}) {
  const data = kept ?? mkdtempSync(join(tmpdir(), "agentos-browser-"));
  const options = ["serve", "--data", data, "--listen", listen];
  const file = `${data}.toml`;
  if (config) {
    writeFileSync(file, config);
    options.push("--config", file);
  }
  const child = spawn(binary, options, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async (words) => {
    const { value, done } = await lines.next();
    if (done || !value.startsWith(words)) throw new Error(`the server says ${JSON.stringify(value)}`);
    return value.slice(words.length);
  };
  const url = await read("agentos is listening on ");
  const inspector = await read("the inspector is at ");
  const stop = async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
    rmSync(file, { force: true });
    if (!kept) rmSync(data, { recursive: true, force: true });
  };
  return { url, inspector, stop };
}

/** An actor of the server, by its plain JSON routes. */
export async function actor(url, key) {
  const request = { name: "vm", key, runner_name_selector: "default", crash_policy: "sleep" };
  const made = await fetch(`${url}/actors?namespace=default`, { method: "PUT", body: JSON.stringify(request) });
  if (!made.ok) throw new Error(await made.text());
  const id = (await made.json()).actor.actor_id;
  const action = async (name, ...args) => {
    const answer = await fetch(`${url}/gateway/${id}/action/${name}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-rivet-encoding": "json" },
      body: JSON.stringify({ args }),
    });
    const body = await answer.json();
    if (!answer.ok) throw new Error(`${name}: ${JSON.stringify(body)}`);
    return body.output;
  };
  return { id, action };
}

/** Puts a site and its server into the VM and starts it at port 8080. */
export async function serveSite(vm, program) {
  await vm.action("mkdir", "/home/user/site", { recursive: true });
  await vm.action("writeFile", "/home/user/probe", ["$Uint8Array", readFileSync(program).toString("base64")]);
  await vm.action("writeFile", "/home/user/site/index.html", PAGE);
  await vm.action("writeFile", "/home/user/site/app.js", SCRIPT);
  await vm.action("writeFile", "/home/user/site/message.txt", "first");
  const made = await vm.action("exec", "chmod 755 /home/user/probe");
  if (made.exitCode !== 0) throw new Error(made.stderr);
  await vm.action("spawn", "/home/user/probe", ["dev", "127.0.0.1:8080", "/home/user/site"]);
  for (let tries = 0; ; tries++) {
    try {
      const answer = await vm.action("vmFetch", 8080, "/message.txt");
      if (answer.status === 200) return;
    } catch (error) {
      if (tries > 1200 || !String(error).includes("no_listener")) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const PAGE = `<!doctype html><title>site</title><h1 id="message">loading</h1><p id="socket"></p><p id="events"></p><p id="about"></p><script src="app.js"></script>`;

// Relative addresses only, so that it works in both forms.
const SCRIPT = `
const show = (id, text) => { document.getElementById(id).textContent = text; };
const refresh = async () => show("message", await (await fetch("message.txt", { cache: "no-store" })).text());
const events = new EventSource("events");
events.onopen = () => show("events", "open");
events.onmessage = (event) => show("message", "live: " + event.data);
const url = new URL("socket", location.href);
url.protocol = url.protocol.replace("http", "ws");
const socket = new WebSocket(url);
const lines = [];
socket.onopen = () => socket.send("echo me");
socket.onmessage = (event) => { lines.push(event.data); show("socket", lines.join("|")); };
socket.onclose = () => show("socket", "closed");
const read = (what) => { try { return String(what()); } catch (error) { return error.name; } };
const elsewhere = fetch(new URL("/actors?namespace=default", location.origin === "null" ? location.href : location.origin))
  .then((answer) => "status " + answer.status, (error) => error.name);
elsewhere.then((api) => show("about", JSON.stringify({ origin: self.origin, cookie: read(() => document.cookie), storage: read(() => localStorage.length), api })));
refresh();
`;
