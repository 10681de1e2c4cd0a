import { agentOs } from "rivetkit/agent-os";
import { setup } from "rivetkit";
import common from "@rivet-dev/agent-os-common";
import pi from "@rivet-dev/agent-os-pi";
const vm = agentOs({
  options: {
    software: [common, pi],
    limits: { resources: { cpuCount: 1, maxProcesses: 64, maxFilesystemBytes: 512 * 1024 * 1024, maxWasmMemoryBytes: 256 * 1024 * 1024 } },
  },
});
export const registry = setup({ use: { vm } });
registry.start();
