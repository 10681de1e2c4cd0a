import { agentOs } from "rivetkit/agent-os";
import { setup } from "rivetkit";
import common from "@rivet-dev/agent-os-common";
const vm = agentOs({ options: { software: [common], loopbackExemptPorts: [8080, 3000] } });
export const registry = setup({ use: { vm } });
registry.start();
