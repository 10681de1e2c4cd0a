/**
 * Operations of the kernel's on a filesystem written in TypeScript.
 *
 * Each operation is one call of {@link Served.dispatch}, which makes it of the driver's methods and awaits them. It ends early when
 * nobody waits for it any more: the kernel says so when the deadline has passed, and {@link Served.close} when the VM is being
 * disposed. The driver hears of both by its signal; whatever it answers afterwards is dropped.
 */
import { DriverStreams } from "./driver-streams.js";
import { systemError } from "./errors.js";
import type { DriverCall, FilesystemDriver } from "./mounts.js";

/** Operations that change what a file holds. */
const CHANGES = new Set(["write", "truncate", "create", "unlink", "rename"]);

/** A driver of one mount. */
export class Served {
  readonly driver: FilesystemDriver;
  readonly #streams: DriverStreams;
  readonly #running = new Set<AbortController>();
  #closed = false;

  constructor(driver: FilesystemDriver) {
    this.driver = driver;
    this.#streams = new DriverStreams(driver);
  }

  /** Carries out one operation: `[method, path, ...more]`. */
  async dispatch(args: unknown[], abandoned: AbortSignal): Promise<unknown> {
    const [method, path, ...rest] = args as [string, string, ...unknown[]];
    const abort = new AbortController();
    if (this.#closed) throw systemError("EIO", method, path);
    this.#running.add(abort);
    const onAbandoned = (): void => abort.abort(abandoned.reason);
    abandoned.addEventListener("abort", onAbandoned, { once: true });
    try {
      return await unlessAborted(abort.signal, method, path, async () => {
        if (CHANGES.has(method)) this.#streams.forget(path);
        return this.#operate(method, path, rest, { signal: abort.signal });
      });
    } catch (error) {
      const errno = errnoOf(error);
      // The shape of an error that is told and not reported.
      if (errno !== undefined) throw systemError(errno, method, path);
      throw error;
    } finally {
      abandoned.removeEventListener("abort", onAbandoned);
      this.#running.delete(abort);
    }
  }

  /** Ends what is under way; every other operation fails at once. */
  close(): void {
    this.#closed = true;
    this.#streams.close();
    for (const abort of this.#running) abort.abort();
  }

  #operate(method: string, path: string, rest: unknown[], call: DriverCall): unknown {
    const { driver } = this;
    const [first, second] = rest;
    switch (method) {
      case "stat":
        this.#streams.opened(path);
        return driver.stat(path, call);
      case "list":
        return list(driver, path, call);
      case "read":
        if (driver.readStream === undefined && driver.pread !== undefined) return driver.pread(path, first as number, second as number, call);
        return this.#streams.read(path, first as number, second as number, call);
      case "write":
        return write(driver, path, first as number, second as Uint8Array, call);
      case "create":
        return needed(driver.writeFile, "create", path).call(driver, path, new Uint8Array(), call);
      case "truncate":
        return truncate(driver, path, first as number, call);
      case "mkdir":
        return needed(driver.mkdir, method, path).call(driver, path, call);
      case "unlink":
        return needed(driver.unlink, method, path).call(driver, path, call);
      case "rmdir":
        return needed(driver.rmdir, method, path).call(driver, path, call);
      case "rename":
        return needed(driver.rename, method, path).call(driver, path, first as string, call);
      case "readlink":
        return needed(driver.readlink, method, path).call(driver, path, call);
      case "symlink":
        return needed(driver.symlink, method, path).call(driver, path, first as string, call);
      // Modes and times that a driver does not keep are no reason to fail.
      case "chmod":
        return driver.chmod?.(path, first as number, call);
      case "utimes":
        return driver.utimes?.(path, first as number, call);
      default:
        throw systemError("ENOSYS", method, path);
    }
  }
}

/** What `work` gives, unless the signal is aborted before. */
function unlessAborted<T>(signal: AbortSignal, method: string, path: string, work: () => Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    signal.addEventListener("abort", () => reject(systemError("EIO", method, path)), { once: true });
    work().then(resolve, reject);
  });
}

/** A method that a driver may lack: without it the filesystem cannot be changed in this way. */
function needed<F>(method: F | undefined, name: string, path: string): F {
  if (method === undefined) throw systemError(name === "readlink" ? "EINVAL" : "EROFS", name, path);
  return method;
}

async function list(driver: FilesystemDriver, path: string, call: DriverCall): Promise<[string, string][]> {
  const entries = await driver.readdir(path, call);
  const base = path === "/" ? "" : path;
  const kind = async (name: string): Promise<string> => {
    try {
      return (await driver.stat(`${base}/${name}`, call)).type;
    } catch {
      return "file";
    }
  };
  return Promise.all(
    entries.map(async (entry): Promise<[string, string]> => (typeof entry === "string" ? [entry, await kind(entry)] : [entry.name, entry.type])),
  );
}

async function whole(driver: FilesystemDriver, path: string, call: DriverCall): Promise<Uint8Array> {
  const content = driver.readStream === undefined ? await driver.readFile(path, call) : await joined(driver.readStream(path, 0, call));
  return typeof content === "string" ? new TextEncoder().encode(content) : content;
}

async function joined(pieces: AsyncIterable<Uint8Array | string>): Promise<Uint8Array> {
  const read: Uint8Array[] = [];
  for await (const piece of pieces) read.push(typeof piece === "string" ? Buffer.from(piece) : piece);
  return Buffer.concat(read);
}

async function write(driver: FilesystemDriver, path: string, offset: number, content: Uint8Array, call: DriverCall): Promise<void> {
  if (driver.pwrite !== undefined) return driver.pwrite(path, offset, content, call);
  const writeFile = needed(driver.writeFile, "write", path);
  const old = await whole(driver, path, call);
  const next = new Uint8Array(Math.max(old.length, offset + content.length));
  next.set(old);
  next.set(content, offset);
  await writeFile.call(driver, path, next, call);
}

async function truncate(driver: FilesystemDriver, path: string, size: number, call: DriverCall): Promise<void> {
  if (driver.truncate !== undefined) return driver.truncate(path, size, call);
  const writeFile = needed(driver.writeFile, "truncate", path);
  const next = new Uint8Array(size);
  next.set((await whole(driver, path, call)).subarray(0, size));
  await writeFile.call(driver, path, next, call);
}

function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
