// Functions of this program as commands of a VM.
import { UserError, hostTool, toolKit } from "@agentos/core";
import { setup } from "@agentos/rivetkit";
import { agentOs } from "@agentos/rivetkit/agent-os";
import { createClient } from "@agentos/rivetkit/client";
import common from "@agentos/common";

const forecasts = new Map([["Paris", 22], ["Oslo", 9]]);

const weather = toolKit({
  name: "weather",
  description: "Weather data",
  tools: {
    forecast: hostTool({
      description: "Forecast for a city",
      inputSchema: {
        type: "object",
        required: ["city"],
        properties: { city: { type: "string", description: "Name of the city" }, days: { type: "integer", minimum: 1 } },
      },
      execute: async (input: { city: string; days?: number }, c) => {
        const temperature = forecasts.get(input.city);
        if (temperature === undefined) throw new UserError(`no forecast for ${input.city}`);
        return { temperature, days: input.days ?? 1, vm: c.key };
      },
      examples: [{ description: "3 days", input: { city: "Paris", days: 3 } }],
    }),
  },
});

const vm = agentOs({ options: { software: [common], toolKits: [weather] } });
const registry = setup({ use: { vm } });
const serving = await registry.listen({ port: 0 });
const agent = createClient<typeof registry>(serving.url).vm.getOrCreate("demo");

const called = await agent.exec("agentos-weather forecast --city Paris --days 3");
const { ok, result } = JSON.parse(called.stdout);
console.log(ok, result.temperature, result.days, result.vm);
// prints: true 22 3 [ 'demo' ]
const failed = await agent.exec("agentos-weather forecast --city Atlantis");
console.log(failed.exitCode, failed.stderr.trim());
// prints: 1 no forecast for Atlantis
const refused = await agent.exec("agentos-weather forecast --days 0");
console.log(refused.exitCode, refused.stderr.trim());
// prints: 2 Missing required flag: --city
await serving.close();
