/**
 * What the types of a server's registry tell a client. The package that defines registries carries these as types only:
 * `setup({ use: { vm } })` is a `RegistryTypes<{ vm: ... }>`, each definition in it a `DefinitionTypes<...>`. Nothing of
 * it exists at run time, so a client that imports `type registry` carries none of the server's code.
 */
import type { VmEvents } from "./events.js";
import type { VmActions } from "./vm.js";

/** Arguments of the listeners of each event. */
export type EventMap = { [event: string]: readonly unknown[] };

/** What clients of one definition see. */
export interface DefinitionTypes<Actions = unknown, Events = unknown, Params = unknown, Input = unknown> {
  /** Only a type. */
  readonly "~types"?: {
    /** Methods as the client calls them: without the context, with promises. */
    actions: Actions;
    /** Event name to arguments of its listeners, as in {@link VmEvents}. */
    events: Events;
    /** What the client sends along when it connects. */
    params: Params;
    /** What the client hands to a new actor. */
    input: Input;
  };
}

/** What clients of a VM see. */
export type VmDefinitionTypes<Params = unknown, Input = unknown> = DefinitionTypes<VmActions, VmEvents, Params, Input>;

/** What clients of a registry see. */
export interface RegistryTypes<Use = unknown> {
  /** Only a type: names and definitions. */
  readonly "~use"?: Use;
}

/** The definitions of a registry by their names. */
export type DefinitionsOf<Registry> =
  Registry extends RegistryTypes<infer Use> ? (unknown extends Use ? AnyDefinitions : Use) : AnyDefinitions;

/** Definitions of a server whose types are not at hand. */
export type AnyDefinitions = Record<string, DefinitionTypes<AnyActions, AnyEvents, unknown, unknown>>;

// A method of any name with any arguments can only be said with `any`: with `unknown` its result would be unusable and
// named methods would not be assignable.

/** Actions of a server whose types are not at hand. */
export type AnyActions = { [action: string]: AnyAction };

/** Any action: call it, or go on to an action within it (`vm.policy.explain(...)`). */
export interface AnyAction {
  (...args: any[]): Promise<any>;
  [action: string]: any;
}

/** Events of a server whose types are not at hand. */
export type AnyEvents = { [event: string]: any[] };

/** The actions of a definition. */
export type ActionsOf<Definition> =
  Definition extends DefinitionTypes<infer Actions, any, any, any> ? Actions : AnyActions;

/** The events of a definition. */
export type EventsOf<Definition> = Definition extends DefinitionTypes<any, infer Events, any, any> ? Events : AnyEvents;

/** The connection parameters of a definition. */
export type ParamsOf<Definition> = Definition extends DefinitionTypes<any, any, infer Params, any> ? Params : unknown;

/** The input of a definition. */
export type InputOf<Definition> = Definition extends DefinitionTypes<any, any, any, infer Input> ? Input : unknown;
