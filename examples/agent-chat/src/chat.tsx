import { type FormEvent, useEffect, useRef, useState } from "react";
import type { Item } from "./conversation.js";
import type { Session } from "./session.js";

/** The conversation, and the field for what comes next. */
export function Chat({ session }: { session: Session }) {
  const [text, setText] = useState("");
  const end = useRef<HTMLDivElement>(null);
  const { items, running, next } = session.conversation;
  useEffect(() => {
    // What newer browsers return is no business of React's.
    void end.current?.scrollIntoView({ block: "end" });
  }, [next]);
  const send = (event: FormEvent): void => {
    event.preventDefault();
    if (text.trim() === "") return;
    session.prompt(text.trim());
    setText("");
  };
  return (
    <>
      <div className="messages" role="log" aria-busy={running}>
        {items.map((item, at) => (
          <Message key={at} item={item} />
        ))}
        <div ref={end} />
      </div>
      {session.error === undefined ? null : <p className="error" role="alert">{session.error}</p>}
      <form onSubmit={send}>
        <input
          aria-label="Prompt"
          value={text}
          onChange={(event) => setText(event.target.value)}
          placeholder="Make a page about otters"
          disabled={session.id === undefined}
        />
        <button disabled={session.id === undefined}>Send</button>
        <button type="button" onClick={session.cancel} disabled={!running}>
          Stop
        </button>
      </form>
    </>
  );
}

function Message({ item }: { item: Item }) {
  if (item.kind !== "tool") return <p className={`message ${item.kind}`}>{item.text}</p>;
  return (
    <details className="message tool" data-status={item.status}>
      <summary>
        {item.title} <em>{item.status.replace("_", " ")}</em>
      </summary>
      {item.diffs.map((diff) => (
        <pre key={diff.path}>{diff.newText}</pre>
      ))}
    </details>
  );
}
