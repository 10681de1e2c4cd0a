// A server and a client in one process. `registry.start()` would serve at http://127.0.0.1:6420 until a signal ends it.
import { setup } from "@agentos/rivetkit";
import { agentOs } from "@agentos/rivetkit/agent-os";
import { createClient } from "@agentos/rivetkit/client";
import common from "@agentos/common";

const vm = agentOs({ options: { software: [common] } });
const registry = setup({ use: { vm } });

const serving = await registry.listen({ port: 0 });
const client = createClient<typeof registry>(serving.url);
const agent = client.vm.getOrCreate(["my-agent"]);

await agent.writeFile("/home/user/names", "Grace\nAda\n");
const { stdout, exitCode } = await agent.exec("sort names | tr '\\n' ' '");
console.log(stdout, exitCode); // prints: Ada Grace  0

await serving.close();
