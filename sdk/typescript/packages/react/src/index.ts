"use client";
/**
 * React hooks for VMs and actors of agentOS servers.
 *
 * ```tsx
 * import { createAgentOsReact } from "@agentos/react";
 * import type { registry } from "./server.js";
 *
 * const { useActor } = createAgentOsReact<typeof registry>("http://127.0.0.1:6420");
 *
 * function Output() {
 *   const [text, setText] = useState("");
 *   const vm = useActor({ name: "vm", key: ["my-agent"] });
 *   vm.useEvent("processOutput", ({ data }) => setText((before) => before + new TextDecoder().decode(data)));
 *   return <button onClick={() => vm.connection?.spawn("ls", ["/"])}>{vm.connStatus}: {text}</button>;
 * }
 * ```
 */
import { createClient } from "@agentos/client";
import type { ClientOptions } from "@agentos/client";
import { createAgentOsReactWithClient } from "./use-actor.js";
import type { AgentOsReact } from "./use-actor.js";

/** Hooks for the server at this URL. Made once, outside of components. */
export function createAgentOsReact<Registry>(endpoint?: string | ClientOptions): AgentOsReact<Registry> {
  return createAgentOsReactWithClient<Registry>(createClient<Registry>(endpoint));
}

export { createAgentOsReact as createRivetKit, createAgentOsReactWithClient as createRivetKitWithClient };
export { createAgentOsReactWithClient };
export { useConnectionStatus, useEvent } from "./hooks.js";
export type { ActorName, ActorOptions, ActorState, AgentOsReact } from "./use-actor.js";
export { createClient } from "@agentos/client";
