// A database that hooks write and read: who was here, kept over sleep.
import { setup } from "@agentos/rivetkit";
import { agentOs } from "@agentos/rivetkit/agent-os";
import { createClient } from "@agentos/rivetkit/client";
import { db } from "@agentos/rivetkit/db";
import common from "@agentos/common";

const vm = agentOs({
  db: db({}),
  options: { software: [common] },
  async onConnect(c, conn) {
    const { name } = conn.params as { name: string };
    await c.db.execute("CREATE TABLE IF NOT EXISTS visits (name TEXT)");
    await c.db.execute("INSERT INTO visits VALUES (?)", name);
    const rows = await c.db.execute("SELECT name, count(*) AS visits FROM visits GROUP BY name ORDER BY name");
    await c.vm.writeFile("/home/user/visits.json", JSON.stringify(rows));
  },
});

const registry = setup({ use: { vm } });
const serving = await registry.listen({ port: 0 });
const client = createClient<typeof registry>(serving.url);
const as = (name: string) => client.vm.getOrCreate("guests", { params: { name } });
await as("ada").exec("true");
await as("bob").sleepVm();
console.log((await as("ada").exec("cat visits.json")).stdout); // prints: [{"name":"ada","visits":2},{"name":"bob","visits":1}]
await serving.close();
