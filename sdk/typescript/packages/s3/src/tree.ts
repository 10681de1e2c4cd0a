/**
 * What is where: the manifest of a filesystem, as one object of the bucket. It names every file with its chunks, which are
 * objects that never change; a new manifest therefore appears at once with everything that it names.
 *
 * The object is not trusted: what does not have the documented shape is refused as a whole.
 */

/** A file, directory or link. */
export interface Node {
  type: "file" | "directory" | "symlink";
  mode: number;
  mtimeMs: number;
  size: number;
  /** Of a file: the objects of its chunks; `null` is a chunk of zeros. */
  chunks: (string | null)[];
  /** Of a link: where it leads. */
  target?: string;
}

/** Bytes of a chunk; the last one of a file may be shorter. */
export const CHUNK = 4 << 20;
/** Largest manifest, in bytes. */
export const MANIFEST_MAX = 64 << 20;
/** Most files, directories and links. */
const NODES_MAX = 100_000;
/** Largest file, in bytes. */
export const SIZE_MAX = 2 ** 40;

/** A system error, by its name. */
export function errno(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

export class Tree {
  readonly nodes = new Map<string, Node>();
  readonly #names = new Map<string, Set<string>>();

  constructor() {
    this.add("/", { type: "directory", mode: 0o755, mtimeMs: Date.now(), size: 0, chunks: [] });
  }

  get(path: string): Node {
    const node = this.nodes.get(path);
    if (node === undefined) throw errno("ENOENT", path);
    return node;
  }

  file(path: string): Node {
    const node = this.get(path);
    if (node.type === "directory") throw errno("EISDIR", path);
    return node;
  }

  /** Names in a directory. */
  names(path: string): string[] {
    if (this.get(path).type !== "directory") throw errno("ENOTDIR", path);
    return [...(this.#names.get(path) ?? [])];
  }

  /** Adds what is not there. */
  add(path: string, node: Node): void {
    if (this.nodes.has(path)) throw errno("EEXIST", path);
    if (this.nodes.size >= NODES_MAX) throw errno("ENOSPC", path);
    if (path !== "/") {
      const [parent, name] = split(path);
      if (this.get(parent).type !== "directory") throw errno("ENOTDIR", path);
      (this.#names.get(parent) ?? this.#enter(parent)).add(name);
    }
    this.nodes.set(path, node);
  }

  #enter(path: string): Set<string> {
    const names = new Set<string>();
    this.#names.set(path, names);
    return names;
  }

  /** Takes something away; an empty directory at most. */
  remove(path: string): Node {
    const node = this.get(path);
    if (path === "/") throw errno("EBUSY", path);
    if ((this.#names.get(path)?.size ?? 0) > 0) throw errno("ENOTEMPTY", path);
    const [parent, name] = split(path);
    this.#names.get(parent)?.delete(name);
    this.#names.delete(path);
    this.nodes.delete(path);
    return node;
  }

  /** Moves something with all that is in it, in place of what is there; what was replaced. */
  rename(from: string, to: string): Node | undefined {
    const moved = this.get(from);
    if (from === to) return undefined;
    if (this.get(split(to)[0]).type !== "directory") throw errno("ENOTDIR", to);
    if (to.startsWith(`${from}/`)) throw errno("EINVAL", to);
    const old = this.nodes.get(to);
    if (old !== undefined && (old.type === "directory") !== (moved.type === "directory")) {
      throw errno(old.type === "directory" ? "EISDIR" : "ENOTDIR", to);
    }
    if (old !== undefined) this.remove(to);
    for (const [path, node] of this.#take(from)) this.add(to + path.slice(from.length), node);
    return old;
  }

  /** Takes a subtree away, parents first. */
  #take(root: string): [string, Node][] {
    const taken: [string, Node][] = [];
    const left = [root];
    for (let path = left.pop(); path !== undefined; path = left.pop()) {
      taken.push([path, this.get(path)]);
      for (const name of this.#names.get(path) ?? []) left.push(`${path}/${name}`);
    }
    for (const [path] of [...taken].reverse()) this.remove(path);
    return taken;
  }

  /** As the content of an object. */
  toBytes(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify({ version: 1, nodes: [...this.nodes] }));
  }

  /** From the content of an object. */
  static from(bytes: Uint8Array): Tree {
    const tree = new Tree();
    try {
      const { version, nodes } = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as { version: unknown; nodes: unknown };
      if (version !== 1 || !Array.isArray(nodes)) throw new Error("another version");
      tree.nodes.clear();
      // Parents were added before their children.
      for (const entry of nodes as unknown[]) {
        const [path, node] = entry as [unknown, unknown];
        if (typeof path !== "string" || !isNode(node) || !isPath(path)) throw new Error(`no file: ${JSON.stringify(path)}`);
        tree.add(path, node);
      }
      if (tree.get("/").type !== "directory") throw new Error("no root");
      return tree;
    } catch (cause) {
      throw Object.assign(new Error("EIO: the manifest in the bucket is damaged", { cause }), { code: "EIO" });
    }
  }
}

/** The parent and the last name. */
export function split(path: string): [string, string] {
  const at = path.lastIndexOf("/");
  return [at === 0 ? "/" : path.slice(0, at), path.slice(at + 1)];
}

function isPath(path: string): boolean {
  return path === "/" || (/^(\/[^/\0]{1,255})+$/.test(path) && !/\/\.{1,2}(\/|$)/.test(path));
}

function isNode(value: unknown): value is Node {
  const node = value as Node;
  return (
    typeof value === "object" && value !== null && ["file", "directory", "symlink"].includes(node.type) &&
    Number.isInteger(node.mode) && node.mode >= 0 && node.mode <= 0o7777 && Number.isFinite(node.mtimeMs) &&
    Number.isInteger(node.size) && node.size >= 0 && node.size <= SIZE_MAX && Array.isArray(node.chunks) &&
    node.chunks.length === (node.type === "file" ? Math.ceil(node.size / CHUNK) : 0) &&
    node.chunks.every((chunk) => chunk === null || (typeof chunk === "string" && /^[0-9a-f-]{36}$/.test(chunk))) &&
    (node.type === "symlink") === (typeof node.target === "string")
  );
}
