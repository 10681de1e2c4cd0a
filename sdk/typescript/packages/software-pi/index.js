/** The pi coding agent. */
export default Object.freeze({
	"name": "pi",
	"type": "agent",
	"agent": {
		"id": "pi",
		"acpAdapter": "@agentos/pi",
		"agentPackage": "@mariozechner/pi-coding-agent"
	}
});
