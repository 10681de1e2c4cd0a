// The page: a list of actors, and panels of the one that is chosen.

import xterm from "@xterm/xterm/css/xterm.css";
import { ActionError, Server } from "./api";
import { button, element, fill } from "./dom";
import { load, panels, type Actor, type Panel } from "./panels";
import style from "./style.css";
import { terminal } from "./terminal";
import { list, member, text } from "./values";

/** How often the list of actors is read. */
const REFRESH_MS = 3000;
const KEPT = "agentos-inspector-token";

for (const css of [xterm, style]) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  document.adoptedStyleSheets.push(sheet);
}
const app = document.getElementById("app") ?? document.body;

/** The token stands behind `#`, which no server sees; it leaves the address at once and stays with this tab. */
function token(): string {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given !== null) {
    sessionStorage.setItem(KEPT, given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEPT) ?? "";
}

function ask(message: string): void {
  const input = element("input", { type: "password", "aria-label": "Token", autocomplete: "off" });
  const enter = (event: Event): void => {
    event.preventDefault();
    sessionStorage.setItem(KEPT, input.value);
    void begin();
  };
  const form = element("form", { onsubmit: enter }, input, element("button", {}, "Open"));
  fill(app, element("main", {}, element("h1", {}, "agentOS inspector"), element("p", {}, message), form));
}

async function begin(): Promise<void> {
  const server = new Server(token());
  try {
    show(server, await server.own("server"));
  } catch (error) {
    const message = error instanceof ActionError ? error.message : "The server does not answer.";
    ask(`${message} It is the gateway's token, or the one that the server printed at its start.`);
  }
}

function show(server: Server, about: unknown): void {
  const [actors, main] = [element("div", { id: "actors" }), element("main", { id: "actor" }, element("p", { class: "empty" }, "Choose an actor."))];
  const counts = element("span", { id: "counts" });
  const head = element("header", {}, element("h1", {}, "agentOS"), element("span", {}, text(member(about, "version"))), counts);
  fill(app, head, element("div", { id: "layout" }, actors, main));
  let chosen = "";
  let close = (): void => {};
  const choose = (actor: Actor): void => {
    chosen = actor.id;
    close();
    close = openActor(main, actor, server);
    void refresh();
  };
  const refresh = async (): Promise<void> => {
    await load(actors, async () => {
      const found = list(member(await server.own("actors"), "actors")) as Actor[];
      const rows = found.map((actor) => {
        const current: Record<string, string> = actor.id === chosen ? { "aria-current": "true" } : {};
        const row = button(`${actor.name} ${actor.key}`, () => choose(actor), { ...current, "data-actor": actor.id });
        row.append(element("span", { class: "phase" }, actor.phase));
        return row;
      });
      return rows.length > 0 ? element("div", {}, ...rows) : element("p", { class: "empty" }, "There are no actors yet.");
    });
    const now = await server.own("server").catch(() => undefined);
    fill(counts, `${text(member(now, "actors"))} actors, ${text(member(now, "awake"))} awake, ${text(member(now, "connections"))} connections`);
  };
  void refresh();
  setInterval(() => void refresh(), REFRESH_MS);
}

/** Shows one actor; what ends that is returned. */
function openActor(main: HTMLElement, actor: Actor, server: Server): () => void {
  const [bar, place] = [element("nav"), element("section", { id: "panel" })];
  fill(main, element("h2", {}, `${actor.name} ${actor.key}`), bar, place);
  let current: Panel | undefined;
  const choose = (panel: Panel): void => {
    current?.close?.();
    current = panel;
    for (const tab of bar.children) tab.toggleAttribute("aria-current", tab.textContent === panel.title);
    // A panel that is slow must not write into its successor.
    const fresh = element("div", { "data-panel": panel.title });
    fill(place, fresh);
    void panel.open(fresh, actor, server);
  };
  const all = panels(terminal());
  for (const panel of all) bar.append(button(panel.title, () => choose(panel)));
  const first = all[0];
  if (first !== undefined) choose(first);
  return () => current?.close?.();
}

void begin();
