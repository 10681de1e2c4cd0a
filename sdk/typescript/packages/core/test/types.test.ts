/** What the compiler accepts and refuses. The lines below an expected error fail to compile if it is none. */
import { test } from "node:test";
import { z } from "zod";
import {
  type AgentOs, type AgentOsOptions, type ExecResult, type PromptResult, type SequencedEvent, type SessionRecord, hostTool,
} from "@agentos/core";

/** Compiles only if the types are the same. */
function same<A>() {
  return <B extends A>(_value: [A] extends [B] ? B : never): void => {};
}

export function neverCalled(vm: AgentOs): void {
  same<Promise<ExecResult<string>>>()(vm.exec("true"));
  same<Promise<ExecResult<Uint8Array>>>()(vm.exec("true", { encoding: "buffer" }));
  same<{ pid: number }>()(vm.spawn("true", []));
  same<Promise<Uint8Array>>()(vm.readFile("/x", { offset: 1 }));
  same<Promise<Response>>()(vm.fetch(80, new Request("http://x/")));
  same<Promise<SessionRecord>>()(vm.createSession("pi", { permissionPolicy: "reject_all", env: { KEY: { secret: "NAME" } } }));
  same<Promise<PromptResult>>()(vm.prompt("s", "text", { timeoutMs: 5, signal: AbortSignal.timeout(5) }));
  same<SequencedEvent[]>()(vm.getSessionEvents("s", { after: 5 }));
  same<AsyncIterableIterator<SequencedEvent>>()(vm.followSession("s", { from: 5 }));
  same<() => void>()(vm.onSessionEvent("s", (event) => event.method.length));
  same<() => void>()(vm.onPermissionRequest("s", ({ permissionId }) => void vm.respondPermission("s", permissionId, "always", { scope: { toolName: "write" } })));
  // @ts-expect-error no such policy
  void vm.createSession("pi", { permissionPolicy: "allow" });
  // @ts-expect-error no such reply
  void vm.respondPermission("s", "p", "never");
  // @ts-expect-error no such option
  void vm.prompt("s", "text", { timeout: 5 });
  // @ts-expect-error a path is a string
  void vm.readFile(5);
  // @ts-expect-error no such option
  void vm.exec("true", { tiemout: 5 });
  // @ts-expect-error a listener takes bytes
  void vm.exec("true", { onStdout: (data: string) => data });
  // @ts-expect-error no such method
  void vm.sleepVm();
  const options: AgentOsOptions = { software: ["common", [{ name: "jq" }]], limits: { resources: { maxProcesses: 64 } } };
  void options;
  // @ts-expect-error no such option
  const wrong: AgentOsOptions = { sofware: [] };
  void wrong;
  hostTool({
    description: "d",
    inputSchema: z.object({ city: z.string(), days: z.number().optional() }),
    execute: async (input, context) => {
      same<string>()(input.city);
      same<number | undefined>()(input.days);
      same<AbortSignal>()(context.signal);
      return { temperature: 22 };
    },
    examples: [{ description: "3 days", input: { city: "Paris", days: 3 } }],
    timeout: 30_000,
  });
  hostTool({
    description: "d",
    inputSchema: z.object({ city: z.string() }),
    // @ts-expect-error no such field
    execute: (input) => input.town,
  });
}

test("types compile", () => {});
