/** The native addon of agentOS. For other packages of agentOS; applications use `@agentos/core` or `@agentos/rivetkit`. */
export { type Addon, type Started, addon, platform } from "./addon.js";
export {
  type Hook,
  call,
  hold,
  hook,
  hookCount,
  invoke,
  listen,
  native,
  release,
  report,
  toError,
  unhook,
  unlisten,
  upcomingId,
} from "./bridge.js";
