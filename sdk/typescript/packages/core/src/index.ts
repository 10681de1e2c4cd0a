/**
 * agentOS inside your process: `AgentOs.create()` gives a virtual machine with files, processes, a shell and a network of
 * its own.
 */
export { AgentOs } from "./vm.js";
export type { FollowOptions, PromptOptions } from "./sessions.js";
export type { CoreExecOptions, HostFiles, MountInfo, RootSnapshotExport, VmUsage } from "./vm.js";
export { TimerScheduleDriver } from "./cron.js";
export type { CoreCronAction, CoreCronJobInfo, CoreCronJobOptions, ScheduleDriver, ScheduleEntry } from "./cron.js";
export { createHostDirBackend, createInMemoryFileSystem } from "./mounts.js";
export type { Backend, DriverCall, DriverEntry, DriverStat, FilesystemDriver, MountConfig, NativePlugin } from "./mounts.js";
export type { AgentOsOptions, PermissionScope, SecretConfig } from "./options.js";
export { Sidecar } from "./sidecar.js";
export type { SidecarDescription } from "./sidecar.js";
export type { AddedSoftware, SoftwareDescriptor, SoftwareInput } from "./software.js";
export type { TerminalOptions } from "./terminal.js";
export { hostTool, toolKit } from "./tools.js";
export type { HostTool, JsonSchema, ParsingSchema, ToolContext, ToolExample, ToolKit } from "./tools.js";
export { ActorError, InvalidScheduleError, PastScheduleError, UserError, isActorError } from "@agentos/client/errors";
export type * from "@agentos/client";
/** For other packages of agentOS: how options become plain data. */
export { plan as planOptions } from "./options.js";
export { forget as forgetHooks, nativeMount as planMount } from "./mounts.js";
export { nativeKit as planKit } from "./tools.js";
