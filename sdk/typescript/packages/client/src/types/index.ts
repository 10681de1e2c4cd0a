/** The whole surface of VMs as types. */
export type * from "./common.js";
export type * from "./definition.js";
export type * from "./events.js";
export type * from "./files.js";
export type * from "./network.js";
export type * from "./processes.js";
export type * from "./sessions.js";
export type * from "./vm.js";
export type * from "./client.js";
