// A terminal of the VM. The shell lives as long as the panel is open.

import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import type { Connection } from "./api";
import { element, fill } from "./dom";
import type { Panel } from "./panels";
import { bytesOf, bytesToJson, member, text } from "./values";

export function terminal(): Panel {
  let end = (): void => {};
  return {
    title: "Terminal",
    open(place, actor, server) {
      const [state, screen] = [element("p", { class: "state" }, "connecting"), element("div", { class: "screen" })];
      fill(place, state, screen);
      const view = new Terminal({ cursorBlink: true, fontSize: 14, scrollback: 5000, allowProposedApi: false });
      const fit = new FitAddon();
      view.loadAddon(fit);
      view.open(screen);
      fit.fit();
      let shell: string | undefined;
      const early: [string, unknown][] = [];
      const receive = (name: string, payload: unknown): void => {
        if (shell === undefined) {
          early.push([name, payload]);
        } else if (text(member(payload, "shellId")) === shell) {
          if (name === "shellData") view.write(bytesOf(member(payload, "data")));
          else fill(state, `ended with ${text(member(payload, "exitCode"))}`);
        }
      };
      const connection: Connection = server.connect(actor.id, ["shellData", "shellExit"], {
        event: receive,
        state: (open, reason) => {
          fill(state, open ? "open" : `closed: ${reason}`);
          if (open && shell === undefined) void begin();
        },
      });
      const begin = async (): Promise<void> => {
        try {
          shell = text(member(await connection.action("openShell", { cols: view.cols, rows: view.rows, env: { TERM: "xterm-256color" } }), "shellId"));
          for (const [name, payload] of early.splice(0)) receive(name, payload);
          view.focus();
        } catch (error) {
          fill(state, error instanceof Error ? error.message : String(error));
        }
      };
      // Keys are sent in the order in which they were pressed.
      let last: Promise<unknown> = Promise.resolve();
      view.onData((data) => {
        const id = shell;
        if (id !== undefined) {
          last = last.then(() => connection.action("writeShell", id, bytesToJson(new TextEncoder().encode(data)))).catch(() => {});
        }
      });
      view.onResize(({ cols, rows }) => {
        if (shell !== undefined) connection.action("resizeShell", shell, cols, rows).catch(() => {});
      });
      const resized = new ResizeObserver(() => fit.fit());
      resized.observe(screen);
      end = () => {
        resized.disconnect();
        const id = shell;
        const closing = id === undefined ? Promise.resolve() : connection.action("closeShell", id).catch(() => {});
        void closing.finally(() => connection.close());
        view.dispose();
      };
    },
    close: () => end(),
  };
}
