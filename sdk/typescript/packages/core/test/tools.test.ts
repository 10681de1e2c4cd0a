import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { z as z3 } from "zod/v3";
import { AgentOs, type ToolContext, type ToolKit, UserError, hostTool, toolKit } from "@agentos/core";
import { deferred, failsWith } from "./support.js";

/** A VM with a kit `k` of these tools. */
async function withTools(t: { after(end: () => Promise<void>): void }, tools: ToolKit["tools"]): Promise<AgentOs> {
  const vm = await AgentOs.create({ software: ["common"], toolKits: [toolKit({ name: "k", description: "", tools })] });
  t.after(() => vm.dispose());
  return vm;
}

/** What a call prints, and its exit code. */
async function called(vm: AgentOs, command: string): Promise<{ exitCode: number; reply: any; stderr: string }> {
  const { exitCode, stdout, stderr } = await vm.exec(command);
  return { exitCode, reply: JSON.parse(stdout), stderr: stderr.trim() };
}

/** The same tool with schemas of both generations of zod. */
const schemas = {
  zod4: z.object({
    city: z.string().min(2).describe("Name of the city"),
    days: z.number().int().min(1).default(1),
    fullPage: z.boolean().optional(),
    format: z.enum(["json", "text"]).optional(),
    tags: z.array(z.string()).optional(),
    when: z.string().transform((text) => text.length).optional(),
  }),
  zod3: z3.object({
    city: z3.string().min(2).describe("Name of the city"),
    days: z3.number().int().min(1).default(1),
    fullPage: z3.boolean().optional(),
    format: z3.enum(["json", "text"]).optional(),
    tags: z3.array(z3.string()).optional(),
    when: z3.string().transform((text) => text.length).optional(),
  }),
};

for (const [name, inputSchema] of Object.entries(schemas)) {
  test(`a schema of ${name} gives flags, help, and input with defaults and transformations`, async (t) => {
    const echo = hostTool({ description: "Echo", inputSchema: inputSchema as typeof schemas.zod4, execute: (input) => input });
    const vm = await withTools(t, { echo });
    const line = "agentos-k echo --city Paris --full-page --format json --tags a --tags b --when abc";
    const expected = { city: "Paris", days: 1, fullPage: true, format: "json", tags: ["a", "b"], when: 3 };
    assert.deepEqual((await called(vm, line)).reply, { ok: true, result: expected });
    assert.deepEqual((await called(vm, "echo '{\"city\":\"Rome\",\"days\":2}' | agentos-k echo")).reply.result, { city: "Rome", days: 2 });
    const { stdout } = await vm.exec("agentos-k echo --help");
    for (const part of ["--city <string>", "Name of the city (required)", "--full-page, --no-full-page", "json|text", "(default: 1)"]) {
      assert.ok(stdout.includes(part), `${part}\n${stdout}`);
    }
    for (const [command, message] of [
      ["agentos-k echo --days 2", "Missing required flag: --city"],
      ["agentos-k echo --city x", "ToolInputSchemaViolation at $.city: expected at least 2 characters, got \"x\""],
      ["agentos-k echo --city Paris --days 0", "ToolInputSchemaViolation at $.days: expected at least 1, got 0"],
    ] as const) {
      const { exitCode, reply, stderr } = await called(vm, command);
      assert.deepEqual([exitCode, reply.error, reply.message, stderr], [2, "VALIDATION_ERROR", message, message]);
    }
  });
}

test("a refinement is a validation error with its path", async (t) => {
  const inputSchema = z.object({ city: z.string().refine((city) => city !== "Atlantis", "must exist") });
  const vm = await withTools(t, { find: hostTool({ description: "", inputSchema, execute: () => 1 }) });
  const { exitCode, reply } = await called(vm, "agentos-k find --city Atlantis");
  const message = "ToolInputSchemaViolation at $.city: expected input that fits (must exist)";
  assert.deepEqual([exitCode, reply.error, reply.message], [2, "VALIDATION_ERROR", message]);
});

test("errors for users are shown, all others are masked", async (t) => {
  const warned = deferred<Error>();
  const listener = (warning: Error): void => {
    if (warning.message.startsWith("tool k:fail ")) warned.resolve(warning);
  };
  process.on("warning", listener);
  t.after(async () => void process.off("warning", listener));
  const inputSchema = { type: "object" as const };
  const vm = await withTools(t, {
    refuse: hostTool({
      description: "",
      inputSchema,
      execute: () => {
        throw new UserError("no more today", { code: "quota", metadata: { left: 0 } });
      },
    }),
    fail: hostTool({ description: "", inputSchema, execute: () => Promise.reject(new Error("hunter2")) }),
    nothing: hostTool({ description: "", inputSchema, execute: () => undefined }),
    odd: hostTool({ description: "", inputSchema, execute: () => 1n }),
  });
  const refused = { ok: false, error: "EXECUTION_ERROR", message: "no more today", code: "quota", metadata: { left: 0 } };
  assert.deepEqual(await called(vm, "agentos-k refuse"), { exitCode: 1, reply: refused, stderr: "no more today" });
  const failed = await called(vm, "agentos-k fail");
  assert.match(failed.reply.message, /^Internal error\. .* \(correlation id [0-9a-f]{32}\)$/);
  assert.ok(!JSON.stringify(failed).includes("hunter2"));
  assert.match((await warned.promise).message, /tool k:fail failed: Error: hunter2/);
  assert.deepEqual((await called(vm, "agentos-k nothing")).reply, { ok: true, result: null });
  assert.equal((await called(vm, "agentos-k odd")).exitCode, 1);
});

test("a tool learns who calls, and when nobody waits any more", async (t) => {
  const began = deferred<ToolContext>();
  const aborted = deferred<void>();
  const hang = hostTool({
    description: "",
    inputSchema: { type: "object" },
    execute: (_input, c) => {
      c.signal.addEventListener("abort", () => aborted.resolve());
      began.resolve(c);
      return new Promise(() => {});
    },
  });
  const slow = hostTool({ description: "", inputSchema: { type: "object" }, execute: () => new Promise(() => {}), timeout: 20 });
  const vm = await withTools(t, { hang, slow });
  const { pid } = vm.spawn("agentos-k", ["hang"]);
  vm.closeProcessStdin(pid);
  const context = await began.promise;
  assert.deepEqual([context.pid, context.key, context.signal.aborted], [pid, undefined, false]);
  vm.killProcess(pid);
  await aborted.promise;
  assert.equal(await vm.waitProcess(pid), 137);
  const { exitCode, reply } = await called(vm, "agentos-k slow");
  assert.deepEqual([exitCode, reply.error], [124, "TIMEOUT"]);
});

test("a schema that is none of an object is refused", async () => {
  const tool = (inputSchema: unknown) => ({ description: "", inputSchema, execute: () => 1 }) as never;
  for (const schema of [z.string(), z3.string(), { type: "object", properties: 5 }]) {
    const kit = { name: "k", description: "", tools: { t: tool(schema) } };
    await failsWith(AgentOs.create({ toolKits: [kit] }), "invalid_config", /toolKits\[0\]\.tools\.t\.inputSchema/);
  }
});

/** VMs of which each has a tool that calls that of the next; the last one's ends the chain. */
async function chainOf(t: { after(end: () => Promise<void>): void }, length: number): Promise<AgentOs> {
  let next: AgentOs | undefined;
  for (let left = length; left > 0; left--) {
    const after = next;
    const execute = async (): Promise<unknown> => (after === undefined ? "the end" : (await called(after, "agentos-k next")).reply);
    next = await withTools(t, { next: hostTool({ description: "Next", inputSchema: { type: "object" }, execute }) });
  }
  assert.ok(next !== undefined);
  return next;
}

test("a chain of tools is at most eight VMs long, whoever began it", async (t) => {
  const [eight, nine] = [await chainOf(t, 8), await chainOf(t, 9)];
  const innermost = (reply: any): any => (reply.result?.ok === undefined ? reply : innermost(reply.result));
  // Two at a time do not count together.
  for (const { reply } of await Promise.all([called(eight, "agentos-k next"), called(eight, "agentos-k next")])) {
    assert.deepEqual(innermost(reply), { ok: true, result: "the end" });
  }
  const refused = innermost((await called(nine, "agentos-k next")).reply);
  assert.deepEqual([refused.ok, refused.error, refused.code], [false, "EXECUTION_ERROR", "limit_exceeded"]);
  assert.match(refused.message, /at most 8 VMs long, this is number 9/);
  assert.deepEqual([refused.metadata.observed, refused.metadata.capacity], [9, 8]);
  // Nothing of it is left: the shorter part is as good as before.
  assert.deepEqual(innermost((await called(eight, "agentos-k next")).reply), { ok: true, result: "the end" });
});

test("a tool that calls itself ends, and may look after its own VM", async (t) => {
  let calls = 0;
  const again = hostTool({
    description: "Again",
    inputSchema: { type: "object" },
    execute: async () => {
      calls += 1;
      await vm.writeFile("/home/user/calls", String(calls));
      const { pid } = vm.spawn("sh", ["-c", "agentos-k again < /dev/null"]);
      return vm.waitProcess(pid);
    },
  });
  const vm: AgentOs = await withTools(t, { again });
  const { exitCode, reply } = await called(vm, "agentos-k again");
  assert.deepEqual([exitCode, reply], [0, { ok: true, result: 0 }]);
  assert.equal(calls, 8);
  assert.equal(Buffer.from(await vm.readFile("/home/user/calls")).toString(), "8");
});
