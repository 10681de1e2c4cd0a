// Has conversations with a real agent in a VM, by `agentos chat --json`, and looks at what came of them: in what was said, and in the
// home of the VM's user, which is a folder of the host. The model follows script.json.
//
// usage: node drive.mjs AGENTOS AGENT FOLDER [SOFTWARE]
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const [agentos, agent, folder, software = agent] = process.argv.slice(2);
// Pi asks for nothing by itself.
const asks = agent !== "pi";
// Codex has no tool for it but for models that it knows.
const edits = agent !== "codex";
// A conversation that takes longer has hung.
const LIMIT = Number(process.env.LIMIT ?? 120_000);
const script = join(import.meta.dirname, "script.json");

const fail = (what, chat) => {
  process.stderr.write(`${agent}: ${what}\n${chat ? chat.lines.slice(-40).join("\n") + "\n" + chat.errors.slice(-4000) : ""}\n`);
  chat?.child.kill("SIGKILL");
  process.exit(1);
};

/** One process of `agentos chat`: prompts go in, events come out. */
class Chat {
  constructor(...options) {
    const given = ["chat", "--software", software, "--agent", agent, "--script", script, "--data", folder, "--json", ...options];
    this.child = spawn(agentos, given, { stdio: ["pipe", "pipe", "pipe"] });
    this.lines = [];
    this.errors = "";
    this.child.stderr.on("data", (data) => { this.errors += data; });
    this.ended = new Promise((done) => this.child.on("exit", (code, signal) => done(code ?? signal)));
    createInterface({ input: this.child.stdout }).on("line", (line) => {
      this.lines.push(line.slice(0, 600));
      this.heard?.(JSON.parse(line));
    });
  }

  send(message) { this.child.stdin.write(JSON.stringify(message) + "\n"); }

  /** Prompts, answers requests with `reply`, and gives the end of the prompt with its text. */
  prompt(text, reply, onText) {
    return new Promise((done) => {
      const found = { text: "", requests: [], calls: 0 };
      const late = setTimeout(() => fail(`no end of the prompt ${text} in time`, this), LIMIT);
      const heard = (line) => {
        if (line.permissionRequest) {
          found.requests.push(line.permissionRequest);
          this.send({ permissionId: line.permissionRequest.permissionId, reply });
        }
        const { method, params } = line.event ?? {};
        const update = params?.update;
        if (update?.sessionUpdate === "tool_call") found.calls += 1;
        if (update?.sessionUpdate === "agent_message_chunk") {
          found.text += update.content.text ?? "";
          onText?.(found.text);
        }
        if (method === "agentos/prompt_end") {
          clearTimeout(late);
          this.heard = undefined;
          done({ ...found, stopReason: params.stopReason, error: params.error });
        }
      };
      this.heard = heard;
      this.ended.then((code) => this.heard === heard && fail(`the chat ended with ${code} in the prompt ${text}`, this));
      this.send({ prompt: text });
    });
  }

  async close() {
    this.child.stdin.end();
    const late = setTimeout(() => fail("the chat did not end", this), LIMIT);
    const code = await this.ended;
    clearTimeout(late);
    return code;
  }
}

const home = () => join(folder, readdirSync(folder).find((name) => existsSync(join(folder, name, "home"))), "home");
const read = (name) => (existsSync(join(home(), name)) ? readFileSync(join(home(), name), "utf8") : undefined);
const did = [];
const step = (what, begun) => did.push(`${what} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);

let chat = new Chat();
let begun = Date.now();
const made = await chat.prompt("write-it", "once");
if (made.stopReason !== "end_turn" || made.error) fail(`the first prompt ended with ${JSON.stringify(made)}`, chat);
if (read("program.sh")?.trim() !== "#!/bin/sh\necho $((6 * 7)) of $1" || read("out.txt") !== "42 of it\n") fail("the program was not made or not run", chat);
if (!made.text.includes("42 of it")) fail(`the answer is ${made.text}`, chat);
if (made.calls < 2) fail(`there were ${made.calls} calls of tools`, chat);
if (asks === (made.requests.length === 0)) fail(`it asked ${made.requests.length} times`, chat);
step(`wrote a program and ran it, ${made.requests.length} times allowed`, begun);

begun = Date.now();
const edited = await chat.prompt(edits ? "edit-it" : "edit-it-by-command", "once");
if (edited.stopReason !== "end_turn" || edited.error) fail(`edited: ${JSON.stringify(edited)}`, chat);
if (read("program.sh")?.trim() !== "#!/bin/sh\necho $((6 * 9)) of $1" || read("out.txt") !== "54 of it\n") fail("the program was not edited or not run", chat);
if (!edited.text.includes("54 of it")) fail(`the answer is ${edited.text}`, chat);
if (asks === (edited.requests.length === 0)) fail(`it asked ${edited.requests.length} times`, chat);
step(`edited it and ran it, ${edited.requests.length} times allowed`, begun);

if (asks) {
  begun = Date.now();
  const refused = await chat.prompt("touch-it", "reject");
  if (refused.requests.length !== 1 || refused.error) fail(`refused: ${JSON.stringify(refused)}`, chat);
  if (read("touched.txt") !== undefined) fail("what was refused was done", chat);
  step("was refused a command", begun);
}

begun = Date.now();
let told = false;
const stopped = await chat.prompt("think-long", "once", (text) => {
  if (text.includes("I think") && !told) {
    told = true;
    chat.send({ cancel: true });
  }
});
if (!told || stopped.stopReason !== "cancelled") fail(`cancelled: ${JSON.stringify(stopped)}`, chat);
step("was cancelled", begun);

const code = await chat.close();
if (code !== 0) fail(`the chat ended with ${code}`, chat);
chat = new Chat("--resume");
begun = Date.now();
const back = await chat.prompt("come-back", "once");
if (back.stopReason !== "end_turn" || !back.text.includes("I am back.")) fail(`resumed: ${JSON.stringify(back)}`, chat);
await chat.close();
step("went on in another VM", begun);
process.stdout.write(`${agent}: ${did.join("; ")}\n`);
process.exit(0);
