/** Registries of VMs and actors: what `rivetkit` exports. */
export { ActorError, UserError, isActorError } from "@agentos/client";
export type { ErrorShape, UserErrorOptions } from "@agentos/client";
export { Registry, setup } from "./registry.js";
export type { Definition, Definitions, ListenOptions, ServerLimits, ServingRegistry, SetupConfig } from "./registry.js";
export type { VmDefinition } from "./agent-os.js";
export type { Conn, ConnHookContext, HookContext, HookRequest, Logger } from "./context.js";
export { ActorDefinition, actor } from "./actor.js";
export type { Action, ActorConfig, ActorContext, Schedule, ScheduledAction } from "./actor.js";
