import { actor, setup, UserError } from "rivetkit";
import { agentOs } from "rivetkit/agent-os";
import { createClient } from "rivetkit/client";
import { db } from "rivetkit/db";

const counter = actor({
  state: { count: 0 },
  createConnState: (_c, params: { user: string }) => ({ user: params.user }),
  actions: {
    increment: (c, by: number) => {
      c.state.count += by;
      c.broadcast("changed", c.state.count);
      return c.state.count;
    },
    who: (c) => c.conn?.state.user,
    later: async (c) => { await c.schedule.after(10, "increment", 1); },
  },
});
const vm = agentOs({
  db: db({}),
  onBeforeConnect(c, params: { token: string }) {
    c.log.info("connecting", c.key, c.request?.headers.get("x-a"));
    if (params.token === "") throw new UserError("no", { code: "no", metadata: { a: 1 } });
  },
  createConnState: () => ({ admin: true }),
  async onConnect(c, conn) {
    const admin: boolean = conn.state.admin;
    await c.vm.writeFile("/home/user/x", admin ? "1" : "0");
  },
  onBeforeAction(c, action) {
    if (!c.conn.state.admin && action === "exec") throw new UserError("no");
  },
  options: async (c) => ({ software: ["common"], env: { KEY: c.key.join("/") } }),
});
export const registry = setup({ use: { vm, counter } });
const client = createClient<typeof registry>("http://127.0.0.1:6420");
export async function use() {
  const handle = client.vm.getOrCreate(["a"], { params: { token: "x" } });
  const out: string = (await handle.exec("echo")).stdout;
  const n: number = await client.counter.getOrCreate("x").increment(5);
  // @ts-expect-error not a number
  await client.counter.getOrCreate("x").increment("5");
  // @ts-expect-error params are typed
  client.vm.getOrCreate(["a"], { params: { token: 5 } });
  // @ts-expect-error unknown option
  agentOs({ options: { sofware: [] } });
  // @ts-expect-error a hook is a function
  agentOs({ onConnect: true });
  return [out, n];
}
