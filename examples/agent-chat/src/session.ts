/** The session that the page shows: found or made, read from its beginning, then followed. */
import type { JsonRpcNotification, PermissionReply, PermissionRequest } from "@agentos/client";
import { useCallback, useEffect, useReducer, useRef, useState } from "react";
import { type Conversation, EMPTY, heard } from "./conversation.js";
import type { Vm } from "./vm.js";

/** The agent of new sessions: `?agent=pi`. */
const agent = new URLSearchParams(location.search).get("agent") ?? "assistant";

/** What a new agent is given. Pi needs the key of its model, which stays a secret of the server. */
const options = agent === "assistant" ? {} : { env: { ANTHROPIC_API_KEY: { secret: "ANTHROPIC_API_KEY" } } };

export interface Session {
  id: string | undefined;
  conversation: Conversation;
  /** Requests that wait for an answer. */
  requests: PermissionRequest[];
  error: string | undefined;
  prompt(text: string): void;
  cancel(): void;
  respond(request: PermissionRequest, reply: PermissionReply): void;
}

interface Heard {
  seq: number;
  event: JsonRpcNotification;
}

export function useSession(vm: Vm): Session {
  const [conversation, hear] = useReducer((before: Conversation, { seq, event }: Heard) => heard(before, seq, event), EMPTY);
  const [requests, setRequests] = useState<PermissionRequest[]>([]);
  const [error, setError] = useState<string>();
  const [id, setId] = useState<string>();
  // What listeners look at, who run between renderings.
  const current = useRef({ id: undefined as string | undefined, next: 0, reading: false });
  const failed = useCallback((reason: unknown) => setError(reason instanceof Error ? reason.message : String(reason)), []);

  const { connection, isConnected } = vm;
  const take = useCallback((next: Heard): boolean => {
    if (next.seq !== current.current.next) return false;
    current.current.next += 1;
    hear(next);
    return true;
  }, []);

  /** Reads what is kept from the next event on. Of what comes live meanwhile the next is taken, and the rest is read. */
  const catchUp = useCallback(
    async (sessionId: string): Promise<void> => {
      const state = current.current;
      if (state.reading || !connection) return;
      state.reading = true;
      try {
        for (let more = true; more; ) {
          const page = await connection.getSequencedEvents(sessionId, { since: state.next, limit: 500 });
          for (const { sequenceNumber, notification } of page) take({ seq: sequenceNumber, event: notification });
          more = page.length > 0;
        }
      } finally {
        state.reading = false;
      }
    },
    [connection, take],
  );

  // A connection that was lost and is there again has missed something.
  useEffect(() => {
    if (!isConnected || !connection) return;
    const open = async (): Promise<void> => {
      current.current.id ??= await findOrCreate(connection);
      const sessionId = current.current.id;
      setId(sessionId);
      await catchUp(sessionId);
      setRequests(await connection.listPendingPermissions(sessionId));
      setError(undefined);
    };
    open().catch(failed);
  }, [connection, isConnected, catchUp, failed]);

  vm.useEvent("sessionEvent", ({ sessionId, seq, event }) => {
    if (sessionId === current.current.id && !take({ seq, event })) catchUp(sessionId).catch(failed);
  });
  vm.useEvent("permissionRequest", ({ sessionId, request }) => {
    if (sessionId !== current.current.id) return;
    setRequests((before) => [...before.filter((one) => one.permissionId !== request.permissionId), request]);
  });
  vm.useEvent("permissionResolved", ({ permissionId }) =>
    setRequests((before) => before.filter((one) => one.permissionId !== permissionId)),
  );

  const withSession = (work: (sessionId: string) => Promise<unknown> | undefined): void => {
    setError(undefined);
    if (id !== undefined) work(id)?.catch(failed);
  };
  return {
    id,
    conversation,
    requests,
    error,
    prompt: (text) => withSession((sessionId) => connection?.sendPrompt(sessionId, text)),
    cancel: () => withSession((sessionId) => connection?.cancelPrompt(sessionId)),
    respond: ({ permissionId }, reply) => withSession((sessionId) => connection?.respondPermission(sessionId, permissionId, reply)),
  };
}

let creating: Promise<string> | undefined;

/** The last session with the agent, or a new one. React may ask twice. */
function findOrCreate(connection: NonNullable<Vm["connection"]>): Promise<string> {
  creating ??= (async () => {
    const known = (await connection.listSessions()).filter((session) => session.agentType === agent).at(-1);
    return known?.sessionId ?? (await connection.createSession(agent, options)).sessionId;
  })();
  creating.catch(() => {
    creating = undefined;
  });
  return creating;
}
