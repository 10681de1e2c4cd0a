// Hooks that decide who may connect and what they may call.
import { UserError, isActorError, setup } from "@agentos/rivetkit";
import { agentOs } from "@agentos/rivetkit/agent-os";
import { createClient } from "@agentos/rivetkit/client";
import common from "@agentos/common";

const users = new Map([["token-of-ann", "ann"], ["token-of-bob", "bob"]]);

const vm = agentOs({
  options: { software: [common] },
  onBeforeConnect(c, params: { token: string }) {
    if (!users.has(params.token)) throw new UserError("Forbidden", { code: "forbidden" });
  },
  createConnState: (c, params: { token: string }) => ({ user: users.get(params.token) }),
  onBeforeAction(c, action) {
    // The first part of the key is the owner.
    if (c.key[0] !== c.conn.state.user) throw new UserError(`${action} is for the owner`, { code: "not_yours" });
  },
});

const registry = setup({ use: { vm } });
const serving = await registry.listen({ port: 0 });
const client = createClient<typeof registry>(serving.url);

const as = (token: string) => client.vm.getOrCreate(["ann", "project"], { params: { token } });
console.log((await as("token-of-ann").exec("echo hello ann")).stdout.trim()); // prints: hello ann
for (const token of ["token-of-bob", "nonsense"]) {
  try {
    await as(token).exec("true");
  } catch (error) {
    if (!isActorError(error)) throw error;
    console.log(error.code, "-", error.message);
    // prints: not_yours - exec is for the owner
    // prints: forbidden - Forbidden
  }
}
await serving.close();
