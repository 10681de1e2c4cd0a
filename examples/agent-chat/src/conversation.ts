/**
 * A conversation made of a session's events. Events have numbers without gaps, so that what was missed is known, and what comes
 * twice - live and from the history - counts once.
 */
import type { JsonRpcNotification } from "@agentos/client";

/** A change of a file that a call would make. */
export interface Diff {
  path: string;
  newText: string;
}

/** What the page shows, in order. */
export type Item =
  | { kind: "user" | "agent" | "thought"; text: string }
  | { kind: "tool"; id: string; title: string; status: string; diffs: Diff[] }
  | { kind: "end"; text: string };

/** What is known of a session. */
export interface Conversation {
  /** The number of the next event. */
  next: number;
  items: Item[];
  /** Whether a prompt runs. */
  running: boolean;
}

export const EMPTY: Conversation = { next: 0, items: [], running: false };

/** The members of updates that the page looks at. */
interface Update {
  sessionUpdate: string;
  content?: unknown;
  toolCallId?: string;
  title?: string;
  status?: string;
}

/** The conversation with one more event; the same one if the event is not the next. */
export function heard(before: Conversation, seq: number, event: JsonRpcNotification): Conversation {
  if (seq !== before.next) return before;
  const after = { ...before, next: seq + 1 };
  if (event.method === "agentos/prompt_end") {
    const { stopReason, error } = event.params as { stopReason?: string; error?: { message?: string; code?: string } };
    const text = error ? (error.message ?? error.code ?? "failed") : stopReason === "end_turn" ? "" : (stopReason ?? "");
    return { ...after, running: false, items: text === "" ? before.items : [...before.items, { kind: "end", text }] };
  }
  const update = (event.params as { update?: Update } | undefined)?.update;
  return update === undefined ? after : { ...after, running: true, items: updated(before.items, update) };
}

const SPOKEN = { user_message_chunk: "user", agent_message_chunk: "agent", agent_thought_chunk: "thought" } as const;

function updated(items: Item[], update: Update): Item[] {
  if (update.sessionUpdate in SPOKEN) {
    const kind = SPOKEN[update.sessionUpdate as keyof typeof SPOKEN];
    const text = (update.content as { text?: string }).text ?? "";
    const last = items.at(-1);
    // Pieces of one message follow each other.
    return last?.kind === kind && kind !== "user" ? [...items.slice(0, -1), { kind, text: last.text + text }] : [...items, { kind, text }];
  }
  if (update.sessionUpdate === "tool_call") {
    const { toolCallId: id = "", title = "A tool", status = "pending" } = update;
    return [...items, { kind: "tool", id, title, status, diffs: diffs(update.content) }];
  }
  if (update.sessionUpdate !== "tool_call_update") return items;
  return items.map((item) =>
    item.kind === "tool" && item.id === update.toolCallId ? { ...item, title: update.title ?? item.title, status: update.status ?? item.status } : item,
  );
}

function diffs(content: unknown): Diff[] {
  return Array.isArray(content) ? content.filter((part): part is Diff => (part as { type?: string }).type === "diff") : [];
}
