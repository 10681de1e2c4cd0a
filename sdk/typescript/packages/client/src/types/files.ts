/** Actions on files. Paths are absolute and normalised: no `.`, `..`, `//` or trailing `/`. */
import type { CallOptions } from "./common.js";

/** What `stat` tells. Times are milliseconds since 1970. */
export interface VirtualStat {
  mode: number;
  size: number;
  blocks: number;
  dev: number;
  rdev: number;
  isDirectory: boolean;
  isSymbolicLink: boolean;
  atimeMs: number;
  mtimeMs: number;
  ctimeMs: number;
  birthtimeMs: number;
  ino: number;
  nlink: number;
  uid: number;
  gid: number;
}

/** Which part of a file is read. */
export interface ReadFileOptions extends CallOptions {
  /** First byte. */
  offset?: number;
  /** Bytes, at most. */
  length?: number;
}

/** How a file is written. */
export interface WriteFileOptions extends CallOptions {
  /** Adds to what is there; otherwise the file is replaced at once. */
  append?: boolean;
}

/** One file of `readFiles`. */
export interface ReadFileResult {
  path: string;
  /** The bytes, null for a file that could not be read. */
  content: Uint8Array | null;
  /** Why not, for people. */
  error?: string;
  /** Why not, for programs. */
  code?: string;
}

/** One file for `writeFiles`. */
export interface WriteFileEntry {
  path: string;
  content: string | Uint8Array;
}

/** What became of one file of `writeFiles`. */
export interface WriteFileResult {
  path: string;
  success: boolean;
  error?: string;
  code?: string;
}

/** One entry of `readdirRecursive`. */
export interface DirectoryEntry {
  path: string;
  type: "file" | "directory" | "symlink";
  size: number;
}

/** What `readdirRecursive` lists. */
export interface ReaddirRecursiveOptions extends CallOptions {
  /** 0 lists direct children only. */
  maxDepth?: number;
  /** Names (not paths) of directories to leave out. */
  exclude?: string[];
}

/** With or without what is below or above. */
export interface RecursiveOptions extends CallOptions {
  recursive?: boolean;
}

/** Actions on files. */
export interface FileActions {
  /** Reads a file, or a part of it. */
  readFile(path: string, options?: ReadFileOptions): Promise<Uint8Array>;
  /** Creates or replaces a file; its directory must exist. */
  writeFile(path: string, content: string | Uint8Array, options?: WriteFileOptions): Promise<void>;
  /** Reads several files, in order; one that fails does not fail the others. */
  readFiles(paths: string[]): Promise<ReadFileResult[]>;
  /** Writes several files, in order, with the directories that they need. */
  writeFiles(files: WriteFileEntry[]): Promise<WriteFileResult[]>;
  /** Makes a directory; `recursive` also makes those above and accepts one that exists. */
  mkdir(path: string, options?: RecursiveOptions): Promise<void>;
  /** Names in a directory, sorted by their bytes. */
  readdir(path: string): Promise<string[]>;
  /** What is in a directory and below, breadth first; links are listed, not followed. */
  readdirRecursive(path: string, options?: ReaddirRecursiveOptions): Promise<DirectoryEntry[]>;
  /** What a path leads to, links followed. */
  stat(path: string): Promise<VirtualStat>;
  /** Whether a path leads somewhere; a dangling link does not. */
  exists(path: string): Promise<boolean>;
  /** Moves or renames; atomic within one mount. */
  move(from: string, to: string): Promise<void>;
  /** Deletes a file or an empty directory, with `recursive` also what is in it. */
  deleteFile(path: string, options?: RecursiveOptions): Promise<void>;
  /** The same as {@link deleteFile}. */
  delete(path: string, options?: RecursiveOptions): Promise<void>;
}
