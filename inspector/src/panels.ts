// What is shown of one actor. Each panel reads when it is opened and when it is refreshed.

import { ActionError, type Connection, type Server } from "./api";
import { button, element, fill, shown, table, time, type Child } from "./dom";
import { bytesOf, list, member, text } from "./values";

export interface Actor {
  id: string;
  name: string;
  key: string;
  phase: string;
}

/** One view; it may hold something until it is closed. */
export interface Panel {
  title: string;
  open(place: HTMLElement, actor: Actor, server: Server): Promise<void> | void;
  close?(): void;
}

/** Shows what comes, or why nothing does. */
export async function load(place: HTMLElement, work: () => Promise<Child>): Promise<void> {
  try {
    fill(place, await work());
  } catch (error) {
    const code = error instanceof ActionError ? `${error.group}.${error.code}: ` : "";
    fill(place, element("p", { class: "error" }, `${code}${error instanceof Error ? error.message : String(error)}`));
  }
}

function refreshed(work: (actor: Actor, server: Server) => Promise<Child>, title: string): Panel {
  return {
    title,
    async open(place, actor, server) {
      const content = element("div");
      const again = (): void => void load(content, () => work(actor, server));
      fill(place, button("Refresh", again), content);
      await load(content, () => work(actor, server));
    },
  };
}

const overview = refreshed(async (actor, server) => {
  const status = await server.action(actor.id, "vmStatus");
  const rows: Child[][] = [
    ["Name", actor.name],
    ["Key", actor.key],
    ["Id", actor.id],
    ["State", text(member(status, "state"))],
    ["Booted", time(member(status, "bootedAt"))],
    ["Awake because", list(member(status, "awakeBecause")).map(text).join(", ") || "nothing keeps it awake"],
  ];
  const limits = list(member(status, "limits")).map((limit) => {
    const [observed, capacity] = [Number(member(limit, "observed")), Number(member(limit, "capacity"))];
    const meter = element("meter", { min: "0", max: "1", high: "0.8", value: String(capacity > 0 ? observed / capacity : 0) });
    return [text(member(limit, "name")), observed, capacity, meter];
  });
  const usage = limits.length > 0 ? table(["Limit", "Used", "Cap", ""], limits) : element("p", {}, "The VM sleeps; nothing is in use.");
  return element("div", {}, table(["", ""], rows), element("h3", {}, "Limits"), usage);
}, "Overview");

interface Row {
  depth: number;
  process: unknown;
}

function flatten(nodes: unknown[], depth: number, into: Row[]): Row[] {
  for (const process of nodes) {
    into.push({ depth, process });
    // A guest decides how deep this goes; the page does not.
    if (depth < 64 && into.length < 2000) flatten(list(member(process, "children")), depth + 1, into);
  }
  return into;
}

const processes = refreshed(async (actor, server) => {
  const rows = flatten(list(await server.action(actor.id, "processTree")), 0, []).map(({ depth, process }) => {
    const field = (name: string): string => text(member(process, name));
    const args = list(member(process, "args")).map(text).join(" ");
    const code = member(process, "exitCode");
    const kill = button("Stop", () => void server.action(actor.id, "signalProcess", Number(field("pid")), "SIGTERM"));
    const running = field("status") === "running";
    return [
      field("pid"),
      `${"\u00a0".repeat(2 * depth)}${shown(field("command"))}`,
      args,
      field("cwd"),
      running ? "running" : `exited ${text(code)}`,
      time(member(process, "startTime")),
      running ? kill : null,
    ];
  });
  return table(["Pid", "Program", "Arguments", "Directory", "State", "Started", ""], rows);
}, "Processes");

/** Files are shown up to this size. */
const SHOWN = 64 * 1024;

function files(): Panel {
  return {
    title: "Files",
    open(place, actor, server) {
      const [entries, content] = [element("div"), element("pre", { class: "content" })];
      const path = element("input", { type: "text", value: "/home/user", "aria-label": "Directory", spellcheck: "false" });
      const show = (file: string): void =>
        void load(content, async () => new TextDecoder().decode(bytesOf(await server.action(actor.id, "readFile", file, { offset: 0, length: SHOWN }))));
      const go = (directory: string): void => {
        path.value = directory;
        fill(content);
        void load(entries, async () => {
          const found = list(await server.action(actor.id, "readdirRecursive", directory, { maxDepth: 0 }));
          const parent = directory.replace(/\/[^/]*$/, "") || "/";
          const rows = found.map((entry) => {
            const [full, kind] = [text(member(entry, "path")), text(member(entry, "type"))];
            const name = full.slice(full.lastIndexOf("/") + 1);
            return [button(name, () => (kind === "directory" ? go(full) : show(full)), { class: "link" }), kind, text(member(entry, "size"))];
          });
          return table(["Name", "Kind", "Size"], [[button("..", () => go(parent), { class: "link" }), "directory", ""], ...rows]);
        });
      };
      fill(place, element("form", { onsubmit: (event) => { event.preventDefault(); go(path.value); } }, path, element("button", {}, "Open")), entries, content);
      go("/home/user");
    },
  };
}

const EVENTS = [
  "vmBooted", "vmShutdown", "processOutput", "processExit", "shellData", "shellExit", "sessionEvent", "permissionRequest",
  "permissionResolved", "cronEvent", "agentCrashed", "limitWarning", "streamError",
];

/** Events that are kept. */
const KEPT = 500;

function events(): Panel {
  let connection: Connection | undefined;
  return {
    title: "Events",
    open(place, actor, server) {
      const state = element("p", { class: "state" }, "connecting");
      const log = element("ol", { class: "events", reversed: true });
      fill(place, state, log);
      connection = server.connect(actor.id, EVENTS, {
        state: (open, reason) => fill(state, open ? "listening" : `closed: ${reason}`),
        event: (name, payload) => {
          const data = member(payload, "data");
          const detail = data === undefined ? JSON.stringify(payload) : new TextDecoder().decode(bytesOf(data).subarray(0, 2000));
          log.prepend(element("li", {}, `${new Date().toLocaleTimeString()} `, element("b", {}, name), " ", element("code", {}, text(detail).slice(0, 2000))));
          if (log.children.length > KEPT) log.lastElementChild?.remove();
        },
      });
    },
    close: () => connection?.close(),
  };
}

const sessions = refreshed(async (actor, server) => {
  let pending: unknown[];
  let kept: unknown[];
  try {
    kept = list(await server.action(actor.id, "listPersistedSessions"));
    pending = list(await server.action(actor.id, "listPendingPermissions"));
  } catch (error) {
    if (!(error instanceof ActionError) || !["unsupported", "action_not_found"].includes(error.code)) throw error;
    return element("p", { class: "empty" }, "Sessions are unsupported by this server.");
  }
  const answer = (request: unknown, reply: string): HTMLButtonElement =>
    button(reply, () => void server.action(actor.id, "respondPermission", text(member(request, "sessionId")), text(member(request, "permissionId")), reply));
  const asked = pending.map((request) => [
    text(member(request, "toolName")),
    text(member(request, "description") ?? member(request, "command")),
    element("span", {}, answer(request, "once"), answer(request, "always"), answer(request, "reject")),
  ]);
  const rows = kept.map((session) => [
    text(member(session, "sessionId")), text(member(session, "agentType")), text(member(session, "status")), time(member(session, "createdAt")),
  ]);
  return element("div", {}, element("h3", {}, "Approvals"), table(["Tool", "What", ""], asked), element("h3", {}, "Sessions"), table(["Id", "Agent", "Status", "Created"], rows));
}, "Sessions");

const SCOPES: Record<string, string[]> = {
  fs: ["read", "write", "stat", "readdir", "create_dir", "rm", "rename", "symlink", "readlink", "chmod", "truncate", "mount_sensitive"],
  network: ["http", "udp", "dns", "listen"],
  childProcess: ["spawn"],
  process: ["inspect", "signal"],
  env: ["read", "write"],
  tool: ["invoke"],
};

function permissions(): Panel {
  return {
    title: "Permissions",
    open(place, actor, server) {
      const operation = element("select", { "aria-label": "Operation" });
      const scope = element("select", { "aria-label": "Scope", onchange: () => choose() }, ...Object.keys(SCOPES).map((name) => element("option", {}, name)));
      const resource = element("input", { type: "text", "aria-label": "Resource", placeholder: "/home/user/file or tcp://host:443", spellcheck: "false" });
      const result = element("div");
      const choose = (): void => fill(operation, ...(SCOPES[scope.value] ?? []).map((name) => element("option", {}, name)));
      choose();
      const ask = (event: Event): void => {
        event.preventDefault();
        void load(result, async () => {
          const answer = await server.action(actor.id, "policy.explain", scope.value, operation.value, resource.value);
          const guard = member(answer, "guard");
          return table(["", ""], [
            ["Decision", element("b", {}, text(member(answer, "decision")))],
            ["Rule", text(member(answer, "rule"))],
            ["Pattern", text(member(answer, "pattern"))],
            ["Resource", text(member(answer, "resource"))],
            ["Guard", guard === undefined ? "" : `${text(member(guard, "decision"))} ${text(member(guard, "address"))} ${text(member(guard, "label"))}`],
          ]);
        });
      };
      fill(place, element("form", { onsubmit: ask }, scope, operation, resource, element("button", {}, "Explain")), result);
    },
  };
}

/** All panels but the terminal, which needs its own library. */
export function panels(terminal: Panel): Panel[] {
  return [overview, processes, files(), terminal, sessions, events(), permissions()];
}
