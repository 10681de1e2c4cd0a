// Options made at each boot from the VM's key and what its creator sent along.
import { setup } from "@agentos/rivetkit";
import { agentOs } from "@agentos/rivetkit/agent-os";
import { createClient } from "@agentos/rivetkit/client";
import common from "@agentos/common";

interface Input {
  language: string;
}

const vm = agentOs({
  options: async (c: { key: string[]; actorId: string; input: Input }) => ({
    software: [common],
    env: { PROJECT: c.key.join("/"), LANGUAGE: c.input.language },
    limits: { resources: { maxProcesses: c.key[0] === "small" ? 8 : 64 } },
  }),
});

const registry = setup({ use: { vm } });
const serving = await registry.listen({ port: 0 });
const client = createClient<typeof registry>(serving.url);
const agent = client.vm.getOrCreate(["small", "demo"], { input: { language: "fi" } });
console.log((await agent.exec("echo $PROJECT $LANGUAGE")).stdout.trim()); // prints: small/demo fi
await serving.close();
