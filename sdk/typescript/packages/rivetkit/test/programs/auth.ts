import { agentOs } from "rivetkit/agent-os";
import { setup, UserError } from "rivetkit";
import common from "@rivet-dev/agent-os-common";
import pi from "@rivet-dev/agent-os-pi";
const vm = agentOs({
  onBeforeConnect: async (c, params: { authToken: string }) => {
    const isValid = await verifyToken(params.authToken);
    if (!isValid) { throw new UserError("Forbidden", { code: "forbidden" }); }
  },
  options: { software: [common, pi] },
});
export const registry = setup({ use: { vm } });
registry.start();
async function verifyToken(token: string): Promise<boolean> { return token === "valid-token"; }
