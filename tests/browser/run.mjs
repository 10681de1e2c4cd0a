// Previews, the inspector and stock clients in a browser. Usage: node run.mjs AGENTOS PROBE.WASM SCREENSHOTS [CHROMIUM]
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { certificate } from "./certificate.mjs";
import { cable, listed, site, stranger } from "./stock.mjs";
import { actor, serveSite, start } from "./server.mjs";

const [binary, program, shots, browserPath = "/usr/bin/chromium"] = process.argv.slice(2);
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP *.test 127.0.0.1",
  "--ignore-certificate-errors",
];
const HOSTILE = `<img src=x onerror="document.title='owned'">`;
const PATIENCE = 120_000;

mkdirSync(shots, { recursive: true });
const profile = mkdtempSync(join(tmpdir(), "agentos-chromium-"));
const pages = await site();
const origin = (host) => `http://${host}.test:${pages.port}`;
const cors = `[cors]\norigins = ["${origin("app")}"]\n`;
const server = await start(binary, { config: cors });
const files = mkdtempSync(join(tmpdir(), "agentos-tls-"));
const encrypted = await start(binary, { config: `${cors}[tls]\n${certificate(files)}` });
const browser = await chromium.launchPersistentContext(profile, { executablePath: browserPath, headless: true, args: FLAGS, viewport: { width: 1200, height: 800 } });
browser.setDefaultTimeout(PATIENCE);

/** A page, and what went wrong on it. */
async function visit(url) {
  const page = await browser.newPage();
  const problems = [];
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(url);
  return { page, problems };
}

/** Waits until the text is there; says what is there instead if it never is. */
async function text(page, selector, expected) {
  try {
    await page.waitForFunction(([at, words]) => document.querySelector(at)?.textContent?.includes(words), [selector, expected]);
  } catch {
    throw new Error(`${selector} does not say ${JSON.stringify(expected)} at ${page.url()}: ${await page.textContent("body")}`);
  }
}

async function shoot(page, name) {
  const path = join(shots, `${name}.png`);
  await page.screenshot({ path });
  assert.ok(statSync(path).size > 4000, `${name} looks empty`);
}

async function previews(vm) {
  const preview = await vm.action("createSignedPreviewUrl", 8080, 600);
  const forms = { path: `${server.url}/gateway/${vm.id}${preview.path}/`, origin: preview.url };
  const pages = {};
  for (const [form, url] of Object.entries(forms)) {
    await vm.action("writeFile", "/home/user/site/message.txt", "first");
    const { page } = await visit(url);
    pages[form] = page;
    await text(page, "#message", "first");
    await text(page, "#socket", "hello localhost:8080|echo me");
    // Who listens after a change hears nothing of it.
    await text(page, "#events", "open");
    await vm.action("writeFile", "/home/user/site/message.txt", `changed ${form}`);
    await text(page, "#message", `live: changed ${form}`);
    await text(page, "#socket", `changed ${form}`);
    await text(page, "#about", "origin");
    const about = JSON.parse(await page.textContent("#about"));
    if (form === "path") {
      // An opaque origin: no cookies, no storage, and the gateway's API is closed to it.
      assert.deepEqual(about, { origin: "null", cookie: "SecurityError", storage: "SecurityError", api: "TypeError" });
    } else {
      assert.equal(about.origin, new URL(url).origin);
      assert.deepEqual([about.cookie, about.storage], ["seen=yes", "0"]);
    }
    await shoot(page, `preview-${form}`);
  }
  await vm.action("expireSignedPreviewUrl", preview.token);
  for (const [form, page] of Object.entries(pages)) {
    await text(page, "#socket", "closed");
    const answer = await page.goto(forms[form]);
    assert.equal(answer.status(), 403, form);
    await page.close();
  }
}

async function inspector(vm) {
  await vm.action("writeFile", `/home/user/${HOSTILE.replaceAll("/", "")}`, HOSTILE);
  const { page, problems } = await visit(server.inspector);
  assert.ok(!page.url().includes("token"), "the token stays in the address");
  const open = async (title) => {
    await page.click(`nav button:text-is("${title}")`);
    await page.waitForSelector(`[data-panel="${title}"]`);
  };
  await page.click(`[data-actor="${vm.id}"]`);
  await text(page, "#panel", "maxProcesses");
  await text(page, "#panel", "ready");
  await shoot(page, "inspector-overview");

  await open("Processes");
  await text(page, "#panel", "probe");
  await shoot(page, "inspector-processes");

  await open("Files");
  await text(page, "#panel", "onerror");
  await page.click(`#panel button:has-text("onerror")`);
  await text(page, "#panel pre", "onerror");
  await shoot(page, "inspector-files");

  await open("Terminal");
  await text(page, "#panel .state", "open");
  await text(page, ".xterm-rows", "$");
  await page.keyboard.type("echo terminal-$((6*7)); printf '\\033]0;owned\\007'\n");
  await text(page, ".xterm-rows", "terminal-42");
  await shoot(page, "inspector-terminal");

  await open("Sessions");
  for (const heading of ["Approvals", "Agent", "Status"]) await text(page, "#panel", heading);
  await shoot(page, "inspector-sessions");

  await open("Events");
  await text(page, "#panel .state", "listening");
  await vm.action("spawn", "sh", ["-c", "echo told-by-an-event"]);
  await text(page, "#panel .events", "told-by-an-event");
  await shoot(page, "inspector-events");

  await open("Permissions");
  await page.selectOption(`select[aria-label="Scope"]`, "network");
  await page.fill(`input[aria-label="Resource"]`, "tcp://169.254.169.254:80");
  await page.click(`#panel button:text-is("Explain")`);
  await text(page, "#panel", "metadata");
  await shoot(page, "inspector-permissions");

  assert.equal(await page.title(), "agentOS inspector");
  // A violation of the page's policy would be one.
  assert.equal(problems.length, 0, problems.join("\n"));
  await page.close();

  const stranger = await browser.newPage();
  await stranger.goto(`${server.url}/inspector/`);
  await stranger.waitForSelector(`input[aria-label="Token"]`);
  await stranger.fill(`input[aria-label="Token"]`, "wrong");
  await stranger.click("button");
  await text(stranger, "#app", "missing or wrong");
  await stranger.close();
}

try {
  const vm = await actor(server.url, "browser");
  await serveSite(vm, program);
  await previews(vm);
  console.log("ok: previews in both forms, with hot reload");
  await inspector(vm);
  console.log("ok: the inspector");
  for (const { url } of [server, encrypted]) {
    const way = await cable(url);
    await listed(browser, origin("app"), way.url, way.cut);
    await stranger(browser, origin("other"), way.url);
    way.stop();
  }
  console.log("ok: stock clients on a page of a listed origin, with and without TLS");
} finally {
  await browser.close();
  await Promise.all([server.stop(), encrypted.stop()]);
  rmSync(files, { recursive: true, force: true });
  await pages.stop();
  rmSync(profile, { recursive: true, force: true });
}
