import { useEffect, useState } from "react";
import type { Vm } from "./vm.js";

const HOME = "/home/user";
/** More is not shown. */
const SHOWN_BYTES = 64 * 1024;

/** The files of the VM's user. */
export function Files({ vm, changes }: { vm: Vm; changes: number }) {
  const [files, setFiles] = useState<string[]>([]);
  const [open, setOpen] = useState<{ path: string; text: string }>();
  const { handle } = vm;
  const path = open?.path;
  useEffect(() => {
    let over = false;
    const look = async (): Promise<void> => {
      const entries = await handle.readdirRecursive(HOME, { exclude: ["node_modules", ".git"] });
      if (over) return;
      setFiles(entries.filter(({ type }) => type === "file").map((entry) => entry.path));
      if (path === undefined) return;
      const bytes = await handle.readFile(path, { length: SHOWN_BYTES }).catch(() => undefined);
      if (!over) setOpen(bytes && { path, text: new TextDecoder().decode(bytes) });
    };
    // A VM that cannot be reached is told of elsewhere.
    look().catch(() => {});
    return () => {
      over = true;
    };
  }, [handle, changes, path]);
  return (
    <div className="files" aria-label="Files" role="region">
      <h2>Files</h2>
      <ul>
        {files.map((file) => (
          <li key={file}>
            <button aria-pressed={file === path} onClick={() => setOpen({ path: file, text: "" })}>
              {file.slice(HOME.length + 1)}
            </button>
          </li>
        ))}
      </ul>
      {open === undefined ? null : <pre>{open.text}</pre>}
    </div>
  );
}
