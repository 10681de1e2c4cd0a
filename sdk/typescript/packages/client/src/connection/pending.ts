/**
 * Calls of a connection. Each is in one of two places: it waits for a connection, and has not been sent, or it was sent,
 * and nobody but the server knows how far it got. Either place ends: by an answer, by a loss, by time, by the caller.
 */
import { orAbort } from "../deadline.js";
import { ActorError, clientError } from "../errors.js";

/** Calls in both places together. */
const CALLS_MAX = 4096;

/** A call. */
export interface Call {
  readonly name: string;
  readonly args: unknown[];
  /** Cancels the timer of the wait for a connection. */
  cancelWait: (() => void) | undefined;
  /** Its id once it was sent. */
  id: number | undefined;
  resolve(output: unknown): void;
  reject(error: unknown): void;
}

/** All calls of one connection. */
export class Pending {
  /** Not sent yet, in order. */
  readonly waiting = new Set<Call>();
  readonly #sent = new Map<number, Call>();
  #nextId = 0;

  /** A call's outcome. `begin` sends it or lets it wait. */
  async outcome(name: string, args: unknown[], signal: AbortSignal, begin: (call: Call) => void): Promise<unknown> {
    if (this.waiting.size + this.#sent.size >= CALLS_MAX) {
      throw clientError("overloaded", `more than ${CALLS_MAX} calls wait on one connection`, {
        limit: "calls",
        capacity: CALLS_MAX,
      });
    }
    let call: Call | undefined;
    const answer = new Promise<unknown>((resolve, reject) => {
      call = { name, args, resolve, reject, cancelWait: undefined, id: undefined };
      begin(call);
    });
    try {
      return await orAbort(answer, signal);
    } finally {
      if (call) this.#drop(call);
    }
  }

  /** Takes a call from those that wait to those that were sent; returns its id. Ids are never used twice. */
  sent(call: Call): number {
    this.#leave(call);
    const id = this.#nextId++;
    call.id = id;
    this.#sent.set(id, call);
    return id;
  }

  /** Takes back what could not be sent. */
  unsent(id: number, error: unknown): void {
    this.#take(id)?.reject(error);
  }

  answer(id: number, output: unknown): void {
    this.#take(id)?.resolve(output);
  }

  fail(id: number, error: ActorError): void {
    this.#take(id)?.reject(error);
  }

  /** Fails what was sent: it may have run or not. */
  lose(cause: ActorError): void {
    const lost = [...this.#sent.values()];
    this.#sent.clear();
    for (const call of lost) {
      const message = `the connection was lost while ${call.name} was under way: ${cause.message}`;
      call.reject(
        clientError("connection_lost", message, { action: call.name, reason: `${cause.group}.${cause.code}` }, cause),
      );
    }
  }

  /** Fails everything. */
  end(error: ActorError): void {
    const all = [...this.waiting, ...this.#sent.values()];
    for (const call of this.waiting) this.#leave(call);
    this.#sent.clear();
    for (const call of all) call.reject(error);
  }

  /** Calls that were sent and not answered. */
  get underWay(): number {
    return this.#sent.size;
  }

  #take(id: number): Call | undefined {
    const call = this.#sent.get(id);
    this.#sent.delete(id);
    return call;
  }

  #leave(call: Call): void {
    this.waiting.delete(call);
    call.cancelWait?.();
    call.cancelWait = undefined;
  }

  /** Forgets a call whose caller has gone. Its answer, should it come, is for nobody. */
  #drop(call: Call): void {
    this.#leave(call);
    if (call.id !== undefined) this.#sent.delete(call.id);
  }
}
