/** The hook for this page's VM, typed by the server's registry. */
import { createAgentOsReact } from "@agentos/react";
import type { registry } from "../server.js";

const endpoint: string = import.meta.env["VITE_AGENTOS_URL"] ?? "http://127.0.0.1:6420";
const { useActor } = createAgentOsReact<typeof registry>(endpoint);

/** Which VM the page shows: `?vm=name`. */
const key = new URLSearchParams(location.search).get("vm") ?? "demo";

/** The VM and the connection to it. */
export function useVm() {
  return useActor({ name: "chat", key: [key] });
}

/** The VM as components get it. */
export type Vm = ReturnType<typeof useVm>;
