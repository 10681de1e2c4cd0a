/** Hooks on a connection, whatever made it. */
import { useCallback, useEffect, useInsertionEffect, useRef, useSyncExternalStore } from "react";
import type { ConnectionMembers, ConnectionStatus, EventArgs, EventName, Subscriptions } from "@agentos/client";

/** The value of the latest rendering that was kept; for what runs later. */
export function useLatest<T>(value: T): { readonly current: T } {
  const latest = useRef(value);
  useInsertionEffect(() => {
    latest.current = value;
  });
  return latest;
}

/**
 * Listens to an event of a connection or of a handle while the component is there. The listener may be another function at every
 * rendering; the latest is called. Without a connection nothing happens.
 */
export function useEvent<E, Name extends EventName<E>>(
  connection: Subscriptions<E> | null | undefined,
  event: Name,
  listener: (...args: EventArgs<E, Name>) => void,
): void {
  const latest = useLatest(listener);
  useEffect(() => connection?.on(event, (...args) => latest.current(...args)), [connection, event, latest]);
}

/** The status of a connection; `idle` without one. */
export function useConnectionStatus(
  connection: Pick<ConnectionMembers<unknown, unknown>, "connStatus" | "onStatusChange"> | null | undefined,
): ConnectionStatus | "idle" {
  const subscribe = useCallback(
    (changed: () => void) => connection?.onStatusChange(changed) ?? (() => {}),
    [connection],
  );
  return useSyncExternalStore(
    subscribe,
    () => connection?.connStatus ?? "idle",
    () => "idle",
  );
}
