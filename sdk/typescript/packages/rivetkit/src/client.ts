/** Clients: what `rivetkit/client` exports. */
export * from "@agentos/client";
