// A platform whose clock, server and sockets are played by the test. Messages are JSON.
import assert from "node:assert/strict";
import { makeClient } from "../../dist/client.js";
import type { Platform, SocketLike } from "../../dist/platform/platform.js";
import type { AnyDefinitions, Client, ClientOptions, RegistryTypes } from "../../dist/index.js";

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Time that passes when the test says so. */
export class ManualClock {
  #now = 1_000_000;
  #timers = new Set<{ at: number; then: () => void }>();
  chance = 0.999999;

  now = (): number => this.#now;
  random = (): number => this.chance;

  after = (ms: number, then: () => void): (() => void) => {
    const timer = { at: this.#now + ms, then };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  /** Timers that have not run. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Goes on to the next timer. */
  async next(): Promise<void> {
    await settle();
    const next = Math.min(...[...this.#timers].map((timer) => timer.at));
    if (Number.isFinite(next)) await this.advance(next - this.#now);
  }

  async advance(ms: number): Promise<void> {
    await settle();
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.then();
      await settle();
    }
    this.#now = end;
  }
}

type Handler = (event: never) => void;

/** The server's end of a socket. */
export class FakeSocket implements SocketLike {
  binaryType = "blob";
  bufferedAmount = 0;
  sent: any[] = [];
  closed: { code: number | undefined; reason: string | undefined } | undefined;
  terminated = false;
  /** Whether the server has ended it. */
  ended = false;
  asked = 0;
  #heard: (() => void) | undefined;
  #handlers = new Map<string, Handler[]>();

  readonly url: string;
  readonly protocols: string[];

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
  }

  addEventListener(type: string, handler: Handler): void {
    this.#handlers.set(type, [...(this.#handlers.get(type) ?? []), handler]);
  }
  send(data: string | Uint8Array): void {
    assert.equal(typeof data, "string");
    this.sent.push(JSON.parse(data as string).body);
  }
  close(code?: number, reason?: string): void {
    this.closed = { code, reason };
  }
  terminate = (): void => {
    this.terminated = true;
  };
  watch = (heard: () => void): { ask(): void } => {
    this.#heard = heard;
    return { ask: () => this.asked++ };
  };

  pong(): void {
    this.#heard?.();
  }
  tell(type: string, event: object): void {
    for (const handler of this.#handlers.get(type) ?? []) handler(event as never);
  }
  message(tag: string, val: object): void {
    this.tell("message", { data: JSON.stringify({ body: { tag, val } }) });
  }
  init(connectionId = "c1"): void {
    this.message("Init", { actorId: "a1", connectionId });
  }
  answer(id: number, output: unknown): void {
    this.message("ActionResponse", { id: ["$BigInt", String(id)], output });
  }
  fail(id: number | null, group: string, code: string): void {
    const actionId = id === null ? null : ["$BigInt", String(id)];
    this.message("Error", { group, code, message: `${group} ${code}`, actionId });
  }
  end(reason = "", code = 1011): void {
    this.ended = true;
    this.tell("close", { code, reason });
  }
  /** Names of actions and events, in the order in which they were sent. */
  get said(): string[] {
    return this.sent.map(({ tag, val }) =>
      tag === "ActionRequest" ? `call ${val.name}` : `${val.subscribe ? "+" : "-"}${val.eventName}`,
    );
  }
}

/** Client and server of a test. */
export class Stage {
  readonly clock = new ManualClock();
  readonly sockets: FakeSocket[] = [];
  readonly requests: { method: string; url: string; init: RequestInit }[] = [];
  readonly errors: unknown[] = [];
  /** What opening a socket throws, if anything. */
  refuse: Error | undefined;
  /** Answers requests; those for the actor's id unless a test has its own. */
  respond: (method: string, url: string, init: RequestInit) => Response | Promise<Response> = (method) =>
    method === "PUT"
      ? Response.json({ actor: { actor_id: "a1", name: "vm" }, created: true })
      : Response.json({ actors: [{ actor_id: "a1", name: "vm" }] });
  readonly client: Client<RegistryTypes<AnyDefinitions>>;

  constructor(options: ClientOptions = {}) {
    const platform: Platform = {
      clock: this.clock,
      fetch: async (url, init) => {
        this.requests.push({ method: init.method ?? "GET", url, init });
        return this.respond(init.method ?? "GET", url, init);
      },
      openSocket: async (url, protocols) => {
        if (this.refuse) throw this.refuse;
        const socket = new FakeSocket(url, protocols);
        this.sockets.push(socket);
        return socket;
      },
    };
    const onError = (error: unknown): void => void this.errors.push(error);
    this.client = makeClient({ endpoint: "http://server.test", encoding: "json", onError, ...options }, platform);
  }

  /** A handle of a VM. */
  vm(options: object = {}) {
    return this.client.vm!.getOrCreate(["k"], options);
  }

  /** The socket opened last. */
  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    assert.ok(socket, "a socket was opened");
    return socket;
  }
}

/** The error that a promise ends with. */
export async function failure(promise: Promise<unknown>): Promise<any> {
  return promise.then(
    (value) => assert.fail(`no error, but ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
}

/** Asserts the group and code of the error that a promise ends with. */
export async function fails(promise: Promise<unknown>, name: string): Promise<any> {
  const error = await failure(promise);
  assert.equal(`${error.group}/${error.code}`, name, String(error));
  return error;
}
