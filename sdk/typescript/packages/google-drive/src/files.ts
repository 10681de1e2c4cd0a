/**
 * The filesystem over a folder: every file of a program is a file of Drive.
 *
 * Folders, names and removals change at once. Contents change in memory first, because a program writes a file in many small pieces
 * and Drive takes whole files: a file is uploaded {@link Config.flushMs} after the first change, or when {@link GoogleDriveFiles.flush}
 * asks for it, which the VM does when it is disposed. An upload that fails is tried again with the next one and told of once, by the
 * call after it. Reads ask for blocks and keep some of them.
 *
 * One call is carried out after the other.
 */
import type { DriverEntry, DriverStat, FilesystemDriver } from "@agentos/core";
import { Drive, failure } from "./api.js";
import type { Config } from "./config.js";
import { type Entry, Folders, isName } from "./folders.js";

/** Bytes that are asked for at once. */
const BLOCK = 4 << 20;
/** Blocks that are kept. */
const BLOCKS_MAX = 16;
/** Bytes of changes after which they are uploaded without waiting for more. */
const CHANGED_MAX = 128 << 20;

/** A filesystem in a folder of Google Drive. */
export class GoogleDriveFiles implements FilesystemDriver {
  readonly timeoutMs = 120_000;
  readonly #drive: Drive;
  readonly #folders: Folders;
  readonly #config: Config;
  readonly #changed = new Set<Entry>();
  /** By file, version and number. */
  readonly #blocks = new Map<string, Uint8Array>();
  #timer: NodeJS.Timeout | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #failed: unknown;

  /** @internal Use `createGoogleDriveBackend`. */
  constructor(config: Config) {
    this.#config = config;
    this.#drive = new Drive(config);
    this.#folders = new Folders(this.#drive, config.folderId, config.listMs);
  }

  // What the VM asks

  stat(path: string): Promise<DriverStat> {
    return this.#after(async () => {
      const { type, size, mtimeMs } = await this.#folders.at(path);
      return { type, size, mtimeMs };
    });
  }

  readdir(path: string): Promise<DriverEntry[]> {
    return this.#after(async () => {
      const { entries } = await this.#folders.in(await this.#folders.at(path), path);
      return [...entries.values()].map(({ name, type }) => ({ name, type }));
    });
  }

  readFile(path: string): Promise<Uint8Array> {
    return this.#after(async () => this.#whole(await this.#file(path), path));
  }

  pread(path: string, offset: number, length: number): Promise<Uint8Array> {
    return this.#after(async () => this.#read(await this.#file(path), offset, length));
  }

  writeFile(path: string, content: Uint8Array): Promise<void> {
    return this.#after(async () => {
      const { id, folder, name } = await this.#folders.around(path);
      if (!isName(name)) throw failure("EINVAL", path);
      let entry = folder.entries.get(name);
      if (entry?.type === "directory") throw failure("EISDIR", path);
      if (entry === undefined) {
        entry = { name, parent: id, type: "file", id: undefined, size: 0, mtimeMs: 0, changed: undefined };
        folder.entries.set(name, entry);
      }
      await this.#set(entry, content.slice(), content.length, path);
    });
  }

  pwrite(path: string, offset: number, content: Uint8Array): Promise<void> {
    return this.#after(async () => {
      const entry = await this.#file(path);
      const end = offset + content.length;
      if (end > this.#config.maxFileBytes) throw failure("EFBIG", path);
      let bytes = entry.changed ?? (await this.#whole(entry, path));
      if (entry.changed === undefined || bytes.length < end) {
        const room = new Uint8Array(Math.max(end, Math.min(this.#config.maxFileBytes, bytes.length * 2)));
        room.set(bytes.subarray(0, entry.size));
        bytes = room;
      }
      bytes.set(content, offset);
      await this.#set(entry, bytes, Math.max(entry.size, end), path);
    });
  }

  truncate(path: string, size: number): Promise<void> {
    return this.#after(async () => {
      const entry = await this.#file(path);
      if (size > this.#config.maxFileBytes) throw failure("EFBIG", path);
      const old = size === 0 ? new Uint8Array() : await this.#whole(entry, path);
      const bytes = new Uint8Array(size);
      bytes.set(old.subarray(0, size));
      await this.#set(entry, bytes, size, path);
    });
  }

  mkdir(path: string): Promise<void> {
    return this.#after(async () => {
      const { id: parent, folder, name } = await this.#folders.around(path);
      if (folder.entries.has(name)) throw failure("EEXIST", path);
      if (!isName(name)) throw failure("EINVAL", path);
      const { id, mtimeMs } = await this.#drive.createFolder(parent, name);
      folder.entries.set(name, { name, parent, type: "directory", id, size: 0, mtimeMs, changed: undefined });
      this.#folders.made(id);
    });
  }

  unlink(path: string): Promise<void> {
    return this.#after(async () => {
      const { folder, name } = await this.#folders.around(path);
      const entry = await this.#file(path);
      await this.#remove(entry);
      folder.entries.delete(name);
    });
  }

  rmdir(path: string): Promise<void> {
    return this.#after(async () => {
      const { folder, name } = await this.#folders.around(path);
      const entry = await this.#empty(path);
      await this.#remove(entry);
      folder.entries.delete(name);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#after(async () => {
      const [old, next] = [await this.#folders.around(from), await this.#folders.around(to)];
      const entry = await this.#folders.at(from);
      const replaced = next.folder.entries.get(next.name);
      if (replaced === entry) return;
      if (!isName(next.name) || to.startsWith(`${from}/`)) throw failure("EINVAL", to);
      if (replaced !== undefined && replaced.type !== entry.type) throw failure(replaced.type === "directory" ? "EISDIR" : "ENOTDIR", to);
      if (replaced?.type === "directory") await this.#empty(to);
      // First the new name, then what had it: whatever breaks off, nothing is lost.
      if (entry.id !== undefined) await this.#drive.change(entry.id, { name: next.name }, { from: old.id, to: next.id });
      old.folder.entries.delete(old.name);
      Object.assign(entry, { name: next.name, parent: next.id });
      next.folder.entries.set(next.name, entry);
      if (replaced !== undefined) await this.#remove(replaced);
    });
  }

  utimes(path: string, mtimeMs: number): Promise<void> {
    return this.#after(async () => {
      const entry = await this.#folders.at(path);
      // The upload of a change would set it anew.
      if (entry.changed !== undefined) await this.#upload(entry);
      if (entry.id !== undefined) await this.#drive.change(entry.id, { modifiedTime: new Date(mtimeMs).toISOString() });
      entry.mtimeMs = mtimeMs;
    });
  }

  /** Waits until everything that was changed before is in Drive. */
  flush(): Promise<void> {
    return this.#after(() => this.#store());
  }

  // How it is done

  /** Carries something out when everything before has ended. */
  #after<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(() => {
      const error = this.#failed;
      this.#failed = undefined;
      if (error !== undefined) throw error;
      return work();
    });
    this.#last = done.catch(() => {});
    return done;
  }

  async #file(path: string): Promise<Entry> {
    const entry = await this.#folders.at(path);
    if (entry.type === "directory") throw failure("EISDIR", path);
    return entry;
  }

  /** A folder that holds nothing, what is not shown included. */
  async #empty(path: string): Promise<Entry> {
    const entry = await this.#folders.at(path);
    const { entries, hidden } = await this.#folders.in(entry, path);
    if (entries.size + hidden > 0) throw failure("ENOTEMPTY", path);
    return entry;
  }

  async #remove(entry: Entry): Promise<void> {
    this.#changed.delete(entry);
    entry.changed = undefined;
    if (entry.id === undefined) return;
    if (this.#config.permanent) await this.#drive.remove(entry.id);
    else await this.#drive.change(entry.id, { trashed: true });
  }

  async #whole(entry: Entry, path: string): Promise<Uint8Array> {
    if (entry.size > this.#config.maxFileBytes) throw failure("EFBIG", path);
    return this.#read(entry, 0, entry.size);
  }

  async #read(entry: Entry, offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(offset + length, entry.size);
    if (entry.changed !== undefined) return entry.changed.slice(offset, Math.max(offset, end));
    const content = new Uint8Array(Math.max(0, end - offset));
    for (let at = offset; at < end; ) {
      const number = Math.floor(at / BLOCK);
      const piece = (await this.#block(entry, number)).subarray(at - number * BLOCK, end - number * BLOCK);
      // The file has become shorter since it was listed.
      if (piece.length === 0) return content.subarray(0, at - offset);
      content.set(piece, at - offset);
      at += piece.length;
    }
    return content;
  }

  async #block(entry: Entry, number: number): Promise<Uint8Array> {
    if (entry.id === undefined) return new Uint8Array();
    const key = `${entry.id} ${entry.mtimeMs} ${entry.size} ${number}`;
    const known = this.#blocks.get(key);
    if (known !== undefined) return known;
    const block = await this.#drive.read(entry.id, number * BLOCK, BLOCK);
    this.#blocks.set(key, block);
    const oldest = this.#blocks.size > BLOCKS_MAX ? this.#blocks.keys().next().value : undefined;
    if (oldest !== undefined) this.#blocks.delete(oldest);
    return block;
  }

  /** Gives a file other bytes, to be uploaded soon. */
  async #set(entry: Entry, bytes: Uint8Array, size: number, path: string): Promise<void> {
    if (size > this.#config.maxFileBytes) throw failure("EFBIG", path);
    Object.assign(entry, { changed: bytes, size, mtimeMs: Date.now() });
    this.#changed.add(entry);
    let held = 0;
    for (const { changed } of this.#changed) held += changed?.length ?? 0;
    if (held > CHANGED_MAX) return this.#store();
    this.#timer ??= setTimeout(() => {
      this.flush().catch((error: unknown) => (this.#failed = error));
    }, this.#config.flushMs);
  }

  async #store(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let failed: unknown;
    for (const entry of [...this.#changed]) await this.#upload(entry).catch((error: unknown) => (failed ??= error));
    if (failed !== undefined) throw failed;
  }

  async #upload(entry: Entry): Promise<void> {
    const content = (entry.changed ?? new Uint8Array()).subarray(0, entry.size);
    if (entry.id === undefined) entry.id = (await this.#drive.createFile(entry.parent, entry.name, content)).id;
    else await this.#drive.replace(entry.id, content);
    // The time is the service's from now on; a block of an older version is not taken for one of this.
    entry.mtimeMs = Math.max(entry.mtimeMs + 1, Date.now());
    entry.changed = undefined;
    this.#changed.delete(entry);
  }
}
