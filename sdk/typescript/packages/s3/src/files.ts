/**
 * The filesystem over a bucket: chunks of 4 MiB that never change, and a manifest that says what is where.
 *
 * Changes are kept in memory for a moment ({@link Config.flushMs}), because a program writes a file in many small pieces; then
 * the changed chunks are stored under new names, then the manifest, then the old chunks are removed. Whenever that breaks off,
 * the bucket has the old files or the new ones; at worst chunks that nobody names are left. {@link S3Files.flush} waits for it,
 * and the VM calls that when it is disposed. A flush that fails is tried again with the next one, and is reported: the call
 * after it fails with `EIO` once.
 *
 * One call is carried out after the other. One filesystem has one writer. A second one is noticed when the manifest is stored: the change fails with `EIO` and is lost, and
 * the files are read anew.
 */
import { randomUUID } from "node:crypto";
import type { DriverEntry, DriverStat, FilesystemDriver } from "@agentos/core";
import { type Bucket, Conflict } from "./bucket.js";
import type { Config } from "./config.js";
import { CHUNK, MANIFEST_MAX, type Node, SIZE_MAX, Tree, errno } from "./tree.js";

/** Bytes of chunks that are remembered after they were read. */
const CACHE_MAX = 64 << 20;
/** Bytes of changed chunks after which they are stored without waiting for more. */
const DIRTY_MAX = 64 << 20;

const MANIFEST = "manifest.json";

/** A filesystem in a bucket. */
export class S3Files implements FilesystemDriver {
  readonly timeoutMs = 60_000;
  readonly #bucket: Bucket;
  readonly #flushMs: number;
  #opened: Promise<void> | undefined;
  #tree = new Tree();
  #etag: string | undefined;
  /** Changed chunks by file and number. */
  #dirty = new Map<Node, Map<number, Uint8Array>>();
  #dirtyBytes = 0;
  /** Objects that the manifest in the bucket names and the next one will not. */
  #garbage: string[] = [];
  #cache = new Map<string, Uint8Array>();
  #changed = false;
  #timer: NodeJS.Timeout | undefined;
  /** The end of the last call. */
  #last: Promise<unknown> = Promise.resolve();
  #failed: unknown;

  /** @internal Use `createS3Backend`. */
  constructor(bucket: Bucket, config: Config) {
    this.#bucket = bucket;
    this.#flushMs = config.flushMs;
  }

  // What the VM asks

  stat(path: string): Promise<DriverStat> {
    return this.#look((tree) => {
      const { type, size, mode, mtimeMs } = tree.get(path);
      return { type, size, mode, mtimeMs };
    });
  }

  readdir(path: string): Promise<DriverEntry[]> {
    return this.#look((tree) => {
      const base = path === "/" ? "/" : `${path}/`;
      return tree.names(path).map((name) => ({ name, type: tree.get(base + name).type }));
    });
  }

  readFile(path: string): Promise<Uint8Array> {
    return this.#look((tree) => this.#read(tree.file(path), 0, SIZE_MAX));
  }

  pread(path: string, offset: number, length: number): Promise<Uint8Array> {
    return this.#look((tree) => this.#read(tree.file(path), offset, length));
  }

  readlink(path: string): Promise<string> {
    return this.#look((tree) => {
      const { target } = tree.get(path);
      if (target === undefined) throw errno("EINVAL", path);
      return target;
    });
  }

  writeFile(path: string, content: Uint8Array): Promise<void> {
    return this.#change(async (tree) => {
      if (!tree.nodes.has(path)) tree.add(path, made("file", 0o644));
      const node = tree.file(path);
      await this.#resize(node, 0);
      await this.#write(node, 0, content);
    });
  }

  pwrite(path: string, offset: number, content: Uint8Array): Promise<void> {
    return this.#change((tree) => this.#write(tree.file(path), offset, content));
  }

  truncate(path: string, size: number): Promise<void> {
    return this.#change(async (tree) => {
      const node = tree.file(path);
      await this.#resize(node, size);
      node.mtimeMs = Date.now();
    });
  }

  mkdir(path: string): Promise<void> {
    return this.#change((tree) => tree.add(path, made("directory", 0o755)));
  }

  unlink(path: string): Promise<void> {
    return this.#change((tree) => {
      tree.file(path);
      this.#forget(tree.remove(path));
    });
  }

  rmdir(path: string): Promise<void> {
    return this.#change((tree) => {
      if (tree.get(path).type !== "directory") throw errno("ENOTDIR", path);
      tree.remove(path);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#change((tree) => {
      const old = tree.rename(from, to);
      if (old !== undefined) this.#forget(old);
    });
  }

  symlink(path: string, target: string): Promise<void> {
    return this.#change((tree) => tree.add(path, { ...made("symlink", 0o777), target, size: new TextEncoder().encode(target).length }));
  }

  chmod(path: string, mode: number): Promise<void> {
    return this.#change((tree) => void (tree.get(path).mode = mode & 0o7777));
  }

  utimes(path: string, mtimeMs: number): Promise<void> {
    return this.#change((tree) => void (tree.get(path).mtimeMs = mtimeMs));
  }

  /** Waits until everything that was changed before is in the bucket. */
  flush(): Promise<void> {
    return this.#after(async () => {
      if (this.#changed) await this.#store();
      this.#fail();
    });
  }

  // How it is done

  /** Carries something out when everything before has ended. */
  #after<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  #look<T>(look: (tree: Tree) => T | Promise<T>): Promise<T> {
    return this.#after(async () => {
      await this.#open();
      return look(this.#tree);
    });
  }

  /** Reads the manifest, once. */
  #open(): Promise<void> {
    this.#fail();
    this.#opened ??= this.#load().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #load(): Promise<void> {
    const stored = await this.#bucket.get(MANIFEST, MANIFEST_MAX);
    this.#tree = stored === undefined ? new Tree() : Tree.from(stored.content);
    this.#etag = stored?.etag;
  }

  /** Tells once of a flush that nobody waited for and that failed. */
  #fail(): void {
    const error = this.#failed;
    this.#failed = undefined;
    if (error !== undefined) throw error;
  }

  #change(change: (tree: Tree) => void | Promise<void>): Promise<void> {
    return this.#after(async () => {
      await this.#open();
      this.#changed = true;
      await change(this.#tree);
      if (this.#dirtyBytes > DIRTY_MAX) return this.#store();
      this.#timer ??= setTimeout(() => {
        this.flush().catch((error: unknown) => (this.#failed = error));
      }, this.#flushMs);
    });
  }

  async #store(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#changed = false;
    const stored: string[] = [];
    try {
      for (const [node, chunks] of this.#dirty) {
        for (const [at, content] of chunks) {
          const name = randomUUID();
          await this.#bucket.put(`chunks/${name}`, content);
          stored.push(name);
          const old = node.chunks[at];
          if (typeof old === "string") this.#garbage.push(old);
          node.chunks[at] = name;
          chunks.delete(at);
          this.#dirtyBytes -= content.length;
          this.#remember(name, content);
        }
        this.#dirty.delete(node);
      }
      const manifest = this.#tree.toBytes();
      if (manifest.length > MANIFEST_MAX) throw errno("ENOSPC", "/");
      this.#etag = await this.#bucket.put(MANIFEST, manifest, this.#etag === undefined ? "absent" : { etag: this.#etag });
    } catch (error) {
      if (error instanceof Conflict) this.#giveUp();
      else this.#changed = true;
      throw error;
    }
    for (const name of this.#garbage.splice(0)) {
      this.#cache.delete(name);
      // One that stays is only room that is lost.
      await this.#bucket.delete(`chunks/${name}`).catch(() => {});
    }
  }

  /** Somebody else has changed the files: theirs are the ones. */
  #giveUp(): void {
    this.#opened = undefined;
    this.#dirty.clear();
    this.#dirtyBytes = 0;
    this.#garbage = [];
  }

  async #read(node: Node, offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(offset + length, node.size);
    const content = new Uint8Array(Math.max(0, end - offset));
    for (let at = offset; at < end; ) {
      const number = Math.floor(at / CHUNK);
      const from = at - number * CHUNK;
      const piece = (await this.#chunk(node, number)).subarray(from, from + (end - at));
      content.set(piece, at - offset);
      // A chunk that is shorter than its part of the file goes on with zeros.
      at = Math.min((number + 1) * CHUNK, end);
    }
    return content;
  }

  /** The bytes of a chunk; none for one of zeros. */
  async #chunk(node: Node, number: number): Promise<Uint8Array> {
    const dirty = this.#dirty.get(node)?.get(number);
    if (dirty !== undefined) return dirty;
    const name = node.chunks[number];
    if (typeof name !== "string") return new Uint8Array();
    const known = this.#cache.get(name);
    if (known !== undefined) return known;
    const stored = await this.#bucket.get(`chunks/${name}`, CHUNK);
    if (stored === undefined) throw Object.assign(new Error(`EIO: the chunk ${name} is missing in the bucket`), { code: "EIO" });
    this.#remember(name, stored.content);
    return stored.content;
  }

  #remember(name: string, content: Uint8Array): void {
    this.#cache.set(name, content);
    let size = 0;
    for (const held of this.#cache.values()) size += held.length;
    for (const [oldest, held] of this.#cache) {
      if (size <= CACHE_MAX) break;
      this.#cache.delete(oldest);
      size -= held.length;
    }
  }

  async #write(node: Node, offset: number, content: Uint8Array): Promise<void> {
    if (offset + content.length > SIZE_MAX) throw errno("EFBIG", "");
    for (let at = 0; at < content.length; ) {
      const number = Math.floor((offset + at) / CHUNK);
      const from = offset + at - number * CHUNK;
      const piece = content.subarray(at, at + CHUNK - from);
      const chunk = await this.#dirtyChunk(node, number, from + piece.length);
      chunk.set(piece, from);
      at += piece.length;
      node.size = Math.max(node.size, offset + at);
      while (node.chunks.length < Math.ceil(node.size / CHUNK)) node.chunks.push(null);
    }
    node.mtimeMs = Date.now();
  }

  /** A chunk that may be changed, of at least this length. */
  async #dirtyChunk(node: Node, number: number, length: number): Promise<Uint8Array> {
    const old = await this.#chunk(node, number);
    const chunks = this.#dirty.get(node) ?? new Map<number, Uint8Array>();
    const held = chunks.get(number);
    if (held !== undefined && held.length >= length) return held;
    const chunk = new Uint8Array(Math.max(old.length, length));
    chunk.set(old);
    this.#dirtyBytes += chunk.length - (held?.length ?? 0);
    chunks.set(number, chunk);
    this.#dirty.set(node, chunks);
    return chunk;
  }

  async #resize(node: Node, size: number): Promise<void> {
    if (size > SIZE_MAX) throw errno("EFBIG", "");
    if (size < node.size) {
      const kept = Math.ceil(size / CHUNK);
      for (let number = kept; number < node.chunks.length; number++) this.#drop(node, number);
      node.chunks.length = kept;
      const rest = size - (kept - 1) * CHUNK;
      // What is cut off must not come back when the file grows.
      if (kept > 0 && rest < CHUNK) {
        const old = await this.#chunk(node, kept - 1);
        if (old.length > rest) {
          const chunk = await this.#dirtyChunk(node, kept - 1, 0);
          this.#dirty.get(node)?.set(kept - 1, chunk.slice(0, rest));
          this.#dirtyBytes -= chunk.length - rest;
        }
      }
    }
    node.size = size;
    while (node.chunks.length < Math.ceil(size / CHUNK)) node.chunks.push(null);
  }

  #drop(node: Node, number: number): void {
    const dirty = this.#dirty.get(node);
    this.#dirtyBytes -= dirty?.get(number)?.length ?? 0;
    dirty?.delete(number);
    const name = node.chunks[number];
    if (typeof name === "string") this.#garbage.push(name);
  }

  /** A file that is gone. */
  #forget(node: Node): void {
    for (let number = 0; number < node.chunks.length; number++) this.#drop(node, number);
    this.#dirty.delete(node);
  }
}

function made(type: Node["type"], mode: number): Node {
  return { type, mode, mtimeMs: Date.now(), size: 0, chunks: [] };
}
