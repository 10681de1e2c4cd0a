/** Client of agentOS servers. */
export { ActorError, InvalidScheduleError, PastScheduleError, UserError, isActorError } from "./errors.js";
export type { ClientErrorCode, ErrorShape, UserErrorOptions } from "./errors.js";
export type * from "./types/index.js";
