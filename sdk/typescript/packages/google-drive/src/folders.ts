/**
 * What is in the folders of Drive, as a filesystem sees it.
 *
 * Drive is no filesystem: a folder may hold two files of one name, names may hold anything, and documents of Google's own have no
 * bytes. Here the oldest of a name has it and others carry their id behind it, and what cannot be a file of a program is counted but not shown
 * ({@link Folder.hidden}), so that a folder that holds such a thing is not taken for an empty one.
 */
import { type Drive, FOLDER, type Remote, failure } from "./api.js";

/** A file or folder. */
export interface Entry {
  name: string;
  /** Id of the folder that it is in. */
  parent: string;
  type: "file" | "directory";
  /** Absent until the first upload of a new file. */
  id: string | undefined;
  size: number;
  mtimeMs: number;
  /** Of a file that was changed and not uploaded: its bytes, with room behind them. `size` of them count. */
  changed: Uint8Array | undefined;
}

export interface Folder {
  entries: Map<string, Entry>;
  hidden: number;
  listedAt: number;
}

/** Most folders that are remembered. */
const FOLDERS_MAX = 1000;

export class Folders {
  readonly #drive: Drive;
  readonly #root: Entry;
  readonly #listMs: number;
  readonly #known = new Map<string, Folder>();

  constructor(drive: Drive, folderId: string, listMs: number) {
    this.#drive = drive;
    this.#listMs = listMs;
    this.#root = { name: "", parent: "", type: "directory", id: folderId, size: 0, mtimeMs: 0, changed: undefined };
  }

  /** What is at a path. */
  async at(path: string): Promise<Entry> {
    let entry = this.#root;
    for (const name of parts(path)) {
      const found = (await this.in(entry, path)).entries.get(name);
      if (found === undefined) throw failure("ENOENT", path);
      entry = found;
    }
    return entry;
  }

  /** The folder that a path is in, and its last name. */
  async around(path: string): Promise<{ id: string; folder: Folder; name: string }> {
    const names = parts(path);
    const name = names.pop();
    if (name === undefined) throw failure("EBUSY", path);
    const parent = await this.at(`/${names.join("/")}`);
    return { id: parent.id ?? "", folder: await this.in(parent, path), name };
  }

  /** What is in a folder. */
  async in(entry: Entry, path: string): Promise<Folder> {
    if (entry.type !== "directory" || entry.id === undefined) throw failure("ENOTDIR", path);
    const known = this.#known.get(entry.id);
    if (known !== undefined && Date.now() - known.listedAt < this.#listMs) return known;
    const fresh = arranged(await this.#drive.list(entry.id), entry.id);
    for (const kept of known?.entries.values() ?? []) if (kept.changed !== undefined) keep(fresh, kept);
    this.#known.delete(entry.id);
    this.#known.set(entry.id, fresh);
    this.#forgetOldest();
    return fresh;
  }

  /** A folder that was just made. */
  made(id: string): void {
    this.#known.set(id, { entries: new Map(), hidden: 0, listedAt: Date.now() });
  }

  #forgetOldest(): void {
    for (const [id, { entries }] of this.#known) {
      if (this.#known.size <= FOLDERS_MAX) return;
      // What was not uploaded yet is nowhere else.
      if (![...entries.values()].some(({ changed }) => changed !== undefined)) this.#known.delete(id);
    }
  }
}

function parts(path: string): string[] {
  return path.split("/").filter((part) => part !== "");
}

/** A listing as files and folders by name. */
function arranged(listed: Remote[], parent: string): Folder {
  const folder: Folder = { entries: new Map(), hidden: 0, listedAt: Date.now() };
  for (const { id, name, mimeType, size, mtimeMs } of listed) {
    const type = mimeType === FOLDER ? "directory" : "file";
    const shown = folder.entries.has(name) ? `${name} (${id})` : name;
    if ((type === "file" && mimeType.startsWith("application/vnd.google-apps.")) || !isName(shown) || folder.entries.has(shown)) folder.hidden += 1;
    else folder.entries.set(shown, { name: shown, parent, type, id, size, mtimeMs, changed: undefined });
  }
  return folder;
}

/** Keeps an entry that was changed here in a fresh listing. */
function keep(folder: Folder, kept: Entry): void {
  for (const [name, { id }] of folder.entries) if (id !== undefined && id === kept.id) folder.entries.delete(name);
  folder.entries.set(kept.name, kept);
}

export function isName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name) && Buffer.byteLength(name) <= 255;
}
