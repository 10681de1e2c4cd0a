// The server of the chat: VMs named `chat`, each with an agent in it.
//
// Without a key the agent is a program of this example, a script in the VM's shell. With an image that has Pi (`IMAGE=path`, or `host`)
// the page can ask for that instead; the key of its model is AGENTOS_SECRET_ANTHROPIC_API_KEY.
import common from "@agentos/common";
import { createHostDirBackend } from "@agentos/core";
import { setup } from "@agentos/rivetkit";
import { agentOs } from "@agentos/rivetkit/agent-os";
import { fileURLToPath } from "node:url";

const image = process.env["IMAGE"];
// From dist/server, where the compiler puts this file.
const agent = fileURLToPath(new URL("../../agent", import.meta.url));

const chat = agentOs({
  options: {
    software: [common, "pi", { id: "assistant", acpAdapter: "assistant", command: ["/opt/agent/assistant.sh"] }],
    ...(image === undefined ? {} : { image }),
    mounts: [{ path: "/opt/agent", driver: createHostDirBackend({ hostPath: agent, readOnly: true }) }],
    clientSecrets: ["ANTHROPIC_API_KEY"],
    additionalInstructions: "Put pages into /home/user/site and serve them at port 8080.",
  },
  async onPermissionRequest(c, sessionId, request) {
    // What only looks needs nobody's approval.
    if (request.toolKind === "read" || request.toolKind === "search") {
      await c.respondPermission(sessionId, request.permissionId, "once");
    }
  },
});

export const registry = setup({ use: { chat } });
registry.start();
