/**
 * Files of a driver that gives them whole or piece by piece ({@link FilesystemDriver.readStream}).
 *
 * A program reads a file in order, so each read goes on with the stream that the last one left at its offset; a read elsewhere
 * begins another. A stream is asked for a piece only when a read needs one: a program that reads slowly holds its source back,
 * and at most one piece lies here for each stream.
 *
 * A file that a driver gives whole is a stream of one piece, so that the driver is asked once and not for every read of a program.
 * That is also what makes chains of such filesystems possible: were each of them asked twice, for the content and for its end, the
 * last of 40 would be asked a million million times. Whoever opens the file anew gets it anew ({@link DriverStreams.opened}).
 */
import type { DriverCall, FilesystemDriver } from "./mounts.js";

/** Most streams of one driver that wait for their next read; beyond, the one that has waited longest is given up. */
const STREAMS_MAX = 16;
/** Most bytes that they hold together. */
const BYTES_MAX = 64 << 20;

interface Stream {
  path: string;
  /** Where in the file the next byte is. */
  at: number;
  pieces: AsyncIterator<Uint8Array | string>;
  /** What is left of the last piece. */
  rest: Uint8Array;
  /** Ends with the stream, not with the call that began it. */
  abort: AbortController;
}

export class DriverStreams {
  /** Those that nobody reads now, the oldest first. */
  #idle: Stream[] = [];
  readonly #driver: FilesystemDriver;

  constructor(driver: FilesystemDriver) {
    this.#driver = driver;
  }

  /** Up to `length` bytes from an offset on; none at the end of the file. */
  async read(path: string, offset: number, length: number, call: DriverCall): Promise<Uint8Array> {
    const stream = this.#take(path, offset) ?? this.#begin(path, offset);
    const giveUp = (): void => end(stream);
    call.signal.addEventListener("abort", giveUp, { once: true });
    try {
      const piece = await next(stream, length);
      if (call.signal.aborted || piece.length === 0) end(stream);
      else this.#keep(stream);
      return piece;
    } catch (error) {
      end(stream);
      throw error;
    } finally {
      call.signal.removeEventListener("abort", giveUp);
    }
  }

  /** Gives up the streams of a file that is being changed. */
  forget(path: string): void {
    for (const stream of this.#idle) if (stream.path === path) end(stream);
    this.#idle = this.#idle.filter((stream) => stream.path !== path);
  }

  /** A file is about to be opened: what is left of a whole content was for somebody else. */
  opened(path: string): void {
    if (this.#driver.readStream === undefined) this.forget(path);
  }

  /** Gives all streams up. */
  close(): void {
    for (const stream of this.#idle.splice(0)) end(stream);
  }

  #take(path: string, offset: number): Stream | undefined {
    const at = this.#idle.findIndex((stream) => stream.path === path && stream.at === offset);
    return at < 0 ? undefined : this.#idle.splice(at, 1)[0];
  }

  #begin(path: string, offset: number): Stream {
    const abort = new AbortController();
    const call = { signal: abort.signal };
    const source = this.#driver.readStream?.(path, offset, call) ?? whole(this.#driver, path, offset, call);
    return { path, at: offset, pieces: source[Symbol.asyncIterator](), rest: new Uint8Array(), abort };
  }

  #keep(stream: Stream): void {
    this.#idle.push(stream);
    let held = this.#idle.reduce((sum, { rest }) => sum + rest.length, 0);
    while (this.#idle.length > STREAMS_MAX || (held > BYTES_MAX && this.#idle.length > 1)) {
      const oldest = this.#idle.shift();
      if (oldest === undefined) return;
      held -= oldest.rest.length;
      end(oldest);
    }
  }
}

/** A content as one piece. */
async function* whole(driver: FilesystemDriver, path: string, offset: number, call: DriverCall): AsyncGenerator<Uint8Array> {
  const content = await driver.readFile(path, call);
  const bytes: unknown = typeof content === "string" ? Buffer.from(content) : content;
  if (!(bytes instanceof Uint8Array)) throw new TypeError("readFile gave something that is no bytes and no text");
  yield bytes.subarray(offset);
}

/** The next bytes of a stream, as many as its next piece has. */
async function next(stream: Stream, length: number): Promise<Uint8Array> {
  while (stream.rest.length === 0) {
    const { done, value } = await stream.pieces.next();
    if (done === true) return new Uint8Array();
    const piece: unknown = typeof value === "string" ? Buffer.from(value) : value;
    if (!(piece instanceof Uint8Array)) throw new TypeError("readStream gave something that is no bytes and no text");
    stream.rest = piece;
  }
  const piece = stream.rest.subarray(0, length);
  stream.rest = stream.rest.subarray(piece.length);
  stream.at += piece.length;
  return piece;
}

/** Gives a stream up. What it fails with then is nobody's concern. */
function end(stream: Stream): void {
  if (stream.abort.signal.aborted) return;
  stream.abort.abort();
  stream.rest = new Uint8Array();
  void Promise.resolve(stream.pieces.return?.()).catch(() => {});
}
