/**
 * Client of agentOS servers, for Node.js and browsers.
 *
 * ```ts
 * import { createClient } from "@agentos/client";
 * import type { registry } from "./server.js";
 *
 * const client = createClient<typeof registry>("http://127.0.0.1:6420");
 * const vm = client.vm.getOrCreate(["my-agent"]);
 * const { stdout } = await vm.exec("echo hello");
 * const connection = vm.connect();
 * connection.on("processOutput", ({ pid, data }) => console.log(pid, data));
 * ```
 */
import { platform } from "#platform";
import { makeClient } from "./client.js";
import type { ClientOptions } from "./endpoint.js";
import type { Client } from "./types/client.js";

/** A client of the server at this URL. Connects when it is used. */
export function createClient<Registry>(endpoint?: string | ClientOptions): Client<Registry> {
  return makeClient<Registry>(endpoint, platform);
}

export { ActorError, InvalidScheduleError, PastScheduleError, UserError, isActorError } from "./errors.js";
export type { ClientErrorCode, ErrorShape, UserErrorOptions } from "./errors.js";
export type { ClientOptions } from "./endpoint.js";
export type { CloseInfo, ConnectionStatus, OpenInfo } from "./connection/status.js";
export type { Key } from "./key.js";
export type { Encoding, QueueResponse } from "./wire/messages.js";
export type * from "./types/index.js";
