/** What a connection tells about itself. */
import type { ActorError } from "../errors.js";

/**
 * Where a connection is: it opens for the first time (`connecting`), it is open (`connected`), it was lost and tries to
 * come back (`disconnected`), or it is over for good (`closed`).
 */
export type ConnectionStatus = "connecting" | "connected" | "disconnected" | "closed";

/** What `onOpen` hears. */
export interface OpenInfo {
  /** The actor. */
  actorId: string;
  /** The id that the server gave this connection. */
  connectionId: string;
  /** Whether it was open before. */
  reconnected: boolean;
  /** How many times it was lost before. */
  losses: number;
  /**
   * Set when it was open before: events from `since` to `until`, in milliseconds since 1970, may have been missed. Those of
   * sessions can be read again with `getSequencedEvents(sessionId, { after })`.
   */
  gap?: { since: number; until: number };
}

/** What `onClose` hears. */
export interface CloseInfo {
  /** Why, as `group.code`. */
  reason: string;
  /** The same as an error. */
  error: ActorError;
  /** Whether the connection tries to come back. */
  reconnecting: boolean;
}
