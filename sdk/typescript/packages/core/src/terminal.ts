/** Bridging a terminal of the VM to that of the host. */
import type { OpenShellOptions } from "@agentos/client";
import type { ReadStream, WriteStream } from "node:tty";

/** What {@link connectTerminal} connects. */
export interface TerminalOptions extends Omit<OpenShellOptions, "signal"> {
  /** Where keys come from; `process.stdin` unless given. */
  stdin?: NodeJS.ReadableStream;
  /** Where output goes; `process.stdout` unless given. */
  stdout?: NodeJS.WritableStream;
}

/** The part of a VM that a terminal needs. */
interface Terminals {
  openShell(options: OpenShellOptions): { shellId: string };
  writeShell(id: string, data: Uint8Array): unknown;
  resizeShell(id: string, cols: number, rows: number): unknown;
  onShellData(id: string, listener: (data: Uint8Array) => void): () => void;
  onShellExit(id: string, listener: (exitCode: number) => void): () => void;
}

/** Runs a program on a terminal of the VM with the keys and screen of the host; resolves with its exit code. */
export function connectTerminal(vm: Terminals, options: TerminalOptions): Promise<number> {
  const { stdin = process.stdin, stdout = process.stdout, ...shell } = options;
  const keys = stdin as ReadStream;
  const screen = stdout as WriteStream;
  const size = screen.isTTY ? { cols: screen.columns, rows: screen.rows } : {};
  const { shellId } = vm.openShell({ ...size, ...shell });
  const type = (data: Uint8Array | string): void =>
    void vm.writeShell(shellId, typeof data === "string" ? new TextEncoder().encode(data) : data);
  const resize = (): void => void vm.resizeShell(shellId, screen.columns, screen.rows);
  // Ctrl-D: a host that has no more to say ends the program's input.
  const end = (): void => type("\u0004");
  const wasRaw = keys.isTTY ? keys.isRaw : false;
  if (keys.isTTY) keys.setRawMode(true);
  stdin.on("data", type);
  stdin.on("end", end);
  stdin.resume();
  if (screen.isTTY) screen.on("resize", resize);
  vm.onShellData(shellId, (data) => void stdout.write(data));
  return new Promise((resolve) => {
    vm.onShellExit(shellId, (exitCode) => {
      stdin.off("data", type);
      stdin.off("end", end);
      stdin.pause();
      if (screen.isTTY) screen.off("resize", resize);
      if (keys.isTTY) keys.setRawMode(wasRaw);
      resolve(exitCode);
    });
  });
}
