import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { Approvals } from "./approvals.js";
import { Chat } from "./chat.js";
import { Files } from "./files.js";
import { Preview } from "./preview.js";
import { useSession } from "./session.js";
import "./style.css";
import { useVm } from "./vm.js";

function Page() {
  const vm = useVm();
  const session = useSession(vm);
  const { running, items } = session.conversation;
  // Files and the preview are looked at again whenever an agent has done something.
  const [changes, setChanges] = useState(0);
  const done = items.filter((item) => item.kind === "tool" && item.status === "completed").length;
  useEffect(() => setChanges((before) => before + 1), [done, running]);
  return (
    <main>
      <section className="chat" aria-label="Conversation">
        <header>
          <h1>Agent chat</h1>
          <span id="status">{vm.error?.message ?? vm.connStatus}</span>
        </header>
        <Chat session={session} />
        <Approvals requests={session.requests} respond={session.respond} />
      </section>
      <section className="side">
        <Files vm={vm} changes={changes} />
        <Preview vm={vm} changes={changes} />
      </section>
    </main>
  );
}

const root = document.querySelector("#app");
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <Page />
    </StrictMode>,
  );
}
