/** The pi coding agent. */
declare const software: { readonly name: "pi"; readonly type: "agent"; readonly agent: { readonly id: "pi"; readonly acpAdapter: "@agentos/pi"; readonly agentPackage: "@mariozechner/pi-coding-agent" } };
export default software;
