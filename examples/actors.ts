// An actor with durable state, events and a schedule, beside a VM in the same registry.
import { actor, setup } from "@agentos/rivetkit";
import { agentOs } from "@agentos/rivetkit/agent-os";
import { createClient } from "@agentos/rivetkit/client";
import common from "@agentos/common";

const tally = actor({
  state: { votes: {} as Record<string, number> },
  actions: {
    vote(c, name: string) {
      c.state.votes[name] = (c.state.votes[name] ?? 0) + 1;
      c.broadcast("voted", name, c.state.votes[name]);
      return c.state.votes[name];
    },
    voteLater: (c, ms: number, name: string) => c.schedule.after(ms, "vote", name),
    result: (c) => c.state.votes,
  },
});
const vm = agentOs({ options: { software: [common] } });

const registry = setup({ use: { vm, tally } });
const serving = await registry.listen({ port: 0 });
const client = createClient<typeof registry>(serving.url);

const connection = client.tally.getOrCreate(["lunch"]).connect();
const scheduled = new Promise<void>((resolve) => {
  connection.on("voted", (name, count) => {
    if (name === "soup" && count === 2) resolve();
  });
});
await connection.vote("soup");
await connection.vote("bread");
await connection.voteLater(1, "soup");
await scheduled;
console.log(JSON.stringify(await connection.result())); // prints: {"soup":2,"bread":1}
await connection.dispose();
await serving.close();
