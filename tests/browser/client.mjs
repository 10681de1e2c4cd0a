// The TypeScript client and the React hooks in a browser, against a server that goes away and comes back.
// Usage: node client.mjs AGENTOS PAGE.JS SCREENSHOTS [CHROMIUM]
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { start } from "./server.mjs";

const [binary, script, shots, browserPath = "/usr/bin/chromium"] = process.argv.slice(2);
const PAGE = `<!doctype html><title>client</title><div id="app"></div><p id="log"></p><script type="module" src="/page.js"></script>`;
const PATIENCE = 120_000;

const site = createServer((request, response) => {
  const page = request.url.startsWith("/page.js");
  response.setHeader("content-type", page ? "text/javascript" : "text/html; charset=utf-8");
  // What a page with a strict policy allows is enough: no code is made at run time.
  response.setHeader("content-security-policy", "default-src 'self'; connect-src http://127.0.0.1:* ws://127.0.0.1:*");
  response.end(page ? readFileSync(script) : PAGE);
});
site.listen(0, "127.0.0.1");
await once(site, "listening");
mkdirSync(shots, { recursive: true });
const data = mkdtempSync(join(tmpdir(), "agentos-client-page-"));
const profile = mkdtempSync(join(tmpdir(), "agentos-chromium-"));
let server = await start(binary, { data });
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const browser = await chromium.launchPersistentContext(profile, { executablePath: browserPath, headless: true, args: flags });
try {
  const page = await browser.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(`http://127.0.0.1:${site.address().port}/?endpoint=${encodeURIComponent(server.url)}`);
  const text = async (selector, words) => {
    try {
      await page.waitForFunction(([at, expected]) => document.querySelector(at)?.textContent?.includes(expected), [selector, words], { timeout: PATIENCE });
    } catch {
      throw new Error(`${selector} does not say ${JSON.stringify(words)}: ${await page.textContent("body")}`);
    }
  };
  await text("#log", "from bare, ENOENT; from json, ENOENT; from cbor, ENOENT");
  await text("#react", "connected hello from react");
  await page.screenshot({ path: join(shots, "client-page.png") });
  const listen = new URL(server.url).host;
  await server.stop();
  await text("#react", "disconnected");
  server = await start(binary, { data, listen });
  await text("#react", "connected hello from react\nhello from react");
  assert.deepEqual(problems, []);
  console.log("ok: client and hooks in a browser, in three encodings, across a restart of the server");
} finally {
  await browser.close();
  await server.stop();
  site.close();
  for (const folder of [data, profile]) rmSync(folder, { recursive: true, force: true });
}
