// Types, checked by the compiler; nothing here runs. A line below `@ts-expect-error` must not compile.
import type { RegistryTypes, VmDefinitionTypes } from "@agentos/client";
import { createAgentOsReact, useEvent } from "../dist/index.js";
import type { ActorName, ActorOptions, ActorState, AgentOsReact } from "../dist/index.js";

declare const registry: RegistryTypes<{ vm: VmDefinitionTypes<{ authToken: string }> }>;
const { useActor } = createAgentOsReact<typeof registry>("http://127.0.0.1:6420");

export function Component(): string {
  const vm = useActor({ name: "vm", key: ["a"], params: { authToken: "x" } });
  vm.useEvent("processOutput", ({ data, stream }) => `${stream}${data.length}`);
  useEvent(vm.connection, "sessionEvent", ({ seq }) => seq.toFixed());
  void vm.handle.exec("ls").then(({ stdout }) => stdout.trim());
  void vm.connection?.exec("ls").then(({ stdout }) => stdout.trim());
  // @ts-expect-error there may be no connection yet
  void vm.connection.exec("ls");
  // @ts-expect-error no such event
  vm.useEvent("processOutputs", () => {});
  // @ts-expect-error no such definition
  useActor({ name: "other", key: ["a"] });
  // @ts-expect-error another type of parameters
  useActor({ name: "vm", key: ["a"], params: { authToken: 1 } });
  return `${vm.connStatus} ${vm.isConnected} ${vm.error?.code}`;
}

/** A hook of an application's own over those of the package. */
export function useVm(hooks: AgentOsReact<typeof registry>, key: string): ActorState<VmDefinitionTypes<{ authToken: string }>> {
  const name: ActorName<typeof registry> = "vm";
  const options: ActorOptions<typeof registry, "vm"> = { name, key, getParams: () => ({ authToken: "x" }), noCreate: true };
  // @ts-expect-error no such definition
  const other: ActorName<typeof registry> = "other";
  // @ts-expect-error an actor has a key
  const wrong: ActorOptions<typeof registry, "vm"> = { name };
  void [other, wrong];
  return hooks.useActor(options);
}
