// The agent chat of the examples in a browser. Usage: node chat.mjs EXAMPLE PORT SCREENSHOTS [CHROMIUM]
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [example, port, shots, browserPath = "/usr/bin/chromium"] = process.argv.slice(2);
const PATIENCE = 120_000;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const data = mkdtempSync(join(tmpdir(), "agentos-chat-"));
const profile = mkdtempSync(join(tmpdir(), "agentos-chromium-"));

/** Runs a program of the example until it prints something that matches. */
async function run(args, printed) {
  const env = { ...process.env, AGENTOS_PORT: port, AGENTOS_DATA_DIR: data, NO_COLOR: "1" };
  const child = spawn(process.execPath, args, { cwd: example, env, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  const match = await new Promise((resolve, reject) => {
    child.stdout.setEncoding("utf8").on("data", (more) => {
      text += more;
      const found = printed.exec(text);
      if (found) resolve(found);
    });
    child.once("exit", (code) => reject(new Error(`${args.join(" ")} ended with ${code}: ${text}`)));
  });
  const stop = () =>
    new Promise((resolve) => {
      child.removeAllListeners("exit");
      child.once("exit", resolve);
      child.kill("SIGTERM");
    });
  return { match, stop };
}

const serve = () => run(["dist/server/server.js"], /agentos is listening on (http:\S+)/);
mkdirSync(shots, { recursive: true });
let server = await serve();
const pages = await run(["node_modules/vite/bin/vite.js", "preview", "--host", "127.0.0.1", "--port", "0"], /(http:\/\/127\.0\.0\.1:\d+)\//);
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: browserPath,
  headless: true,
  args: FLAGS,
  viewport: { width: 1280, height: 800 },
});
browser.setDefaultTimeout(PATIENCE);

const page = await browser.newPage();
const problems = [];
page.on("pageerror", (error) => problems.push(String(error)));

async function shoot(name) {
  const path = join(shots, `chat-${name}.png`);
  await page.screenshot({ path });
  assert.ok(statSync(path).size > 4000, `${name} looks empty`);
}

async function says(selector, words) {
  try {
    await page.waitForFunction(([at, expected]) => document.querySelector(at)?.textContent?.includes(expected), [selector, words]);
  } catch {
    throw new Error(`${selector} does not say ${JSON.stringify(words)}: ${await page.textContent("body")}`);
  }
}

async function send(text) {
  await page.fill('input[aria-label="Prompt"]', text);
  await page.click('button:text-is("Send")');
}

const answer = (label) => page.click(`.approval button:text-is("${label}")`);
const idle = () => page.waitForSelector('.messages[aria-busy="false"]');

try {
  await page.goto(pages.match[1]);
  await page.waitForSelector('input[aria-label="Prompt"]:not([disabled])');
  await says(".preview", "Nothing is served");

  // The agent's words are there before it is done: it waits for an approval.
  await send("Make a page about otters");
  await says(".approval", "Write /home/user/site/index.html");
  await says(".messages", "A page about otters: I write it");
  assert.equal(await page.getAttribute(".messages", "aria-busy"), "true");
  await says(".approval pre", "All about otters");
  assert.equal(await page.textContent(".files ul"), "", "nothing is written before it is approved");
  await shoot("approval");
  await answer("Allow once");
  await says(".approval", "httpd -p 8080");
  await answer("Allow once");
  await says(".messages", "Your page about otters is ready.");
  await idle();
  await says(".files", "site/index.html");
  const preview = page.frameLocator('iframe[title="Preview"]');
  await preview.locator("h1").filter({ hasText: "All about otters" }).waitFor();
  assert.match(await page.getAttribute("iframe", "src"), new RegExp(`^http://[0-9a-z_-]+\\.localhost:${port}/$`, "i"));
  await page.click('.files button:text-is("site/index.html")');
  await says(".files pre", "Made in a virtual machine");
  await shoot("preview");
  console.log("ok: streaming, approvals, files and the preview");

  // What is refused is not done.
  await send("Make a page about cats");
  await says(".approval", "Write");
  await answer("Reject");
  await says(".messages", "All right, I leave that.");
  await idle();
  assert.ok(!(await page.textContent(".files pre")).includes("cats"));
  // What is stopped while it waits ends.
  await send("Make a page about dogs");
  await page.waitForSelector(".approval");
  await page.click('button:text-is("Stop")');
  await says(".messages .end", "cancelled");
  await idle();
  assert.equal(await page.locator(".approval").count(), 0);
  // The hook of the server allows looking; nobody is asked.
  await send("Which files are there?");
  await says(".messages", "There are 1 files");
  await idle();
  console.log("ok: rejecting, stopping, and what the server's hook allows");

  // Always: from then on the agent may.
  await send("Make a page about foxes");
  await says(".approval", "Write");
  await answer("Always");
  await says(".messages", "Your page about foxes is ready.");
  await preview.locator("h1").filter({ hasText: "All about foxes" }).waitFor();
  await send("Make a page about owls");
  await says(".messages", "Your page about owls is ready.");
  await idle();
  await shoot("always");

  // Everything is there again after loading the page again, and after the server has been away.
  const before = await page.locator(".messages").innerText();
  await page.reload();
  await says(".messages", "Your page about owls is ready.");
  assert.equal(await page.locator(".messages").innerText(), before);
  await server.stop();
  await page.waitForFunction(() => document.querySelector("#status")?.textContent !== "connected");
  server = await serve();
  await says("#status", "connected");
  await send("Which files are there?");
  await page.waitForFunction(() => document.querySelectorAll(".messages .user").length === 7);
  await page.waitForFunction(() => document.querySelector(".messages")?.textContent?.split("There are").length === 3);
  await idle();
  await shoot("again");
  assert.deepEqual(problems, []);
  console.log("ok: grants, reloading, a restart of the server");
} finally {
  await browser.close();
  await Promise.all([server.stop(), pages.stop()]);
  for (const folder of [data, profile]) rmSync(folder, { recursive: true, force: true });
}
