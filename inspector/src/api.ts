// The server: the inspector's own routes, actions over HTTP, and one connection for events. All in JSON.

import { member, text, type Json } from "./values";

/** An error that the server told. */
export class ActionError extends Error {
  constructor(readonly group: string, readonly code: string, message: string) {
    super(message);
  }
}

export class Server {
  /** Where the gateway is: the page is one level below it. */
  private readonly base = new URL("..", document.baseURI);

  constructor(readonly token: string) {}

  async own(route: string): Promise<unknown> {
    const answer = await fetch(new URL(`inspector/api/${route}`, this.base), { headers: this.headers(), cache: "no-store" });
    if (answer.status === 401) throw new ActionError("auth", "unauthorized", "The token is missing or wrong.");
    if (!answer.ok) throw new ActionError("inspector", String(answer.status), await answer.text());
    return answer.json();
  }

  async action(actor: string, name: string, ...args: Json[]): Promise<unknown> {
    const answer = await fetch(new URL(`gateway/${encodeURIComponent(actor)}/action/${encodeURIComponent(name)}`, this.base), {
      method: "POST",
      headers: { ...this.headers(), "content-type": "application/json", "x-rivet-encoding": "json" },
      body: JSON.stringify({ args }),
    });
    const body: unknown = await answer.json();
    if (!answer.ok) throw failure(body);
    return member(body, "output");
  }

  /** Opens a connection that delivers these events. */
  connect(actor: string, events: string[], listener: Listener): Connection {
    const url = new URL(`gateway/${encodeURIComponent(actor)}/connect`, this.base);
    url.protocol = url.protocol.replace("http", "ws");
    return new Connection(new WebSocket(url, ["rivet", "rivet_encoding.json", `rivet_token.${this.token}`]), events, listener);
  }

  private headers(): Record<string, string> {
    return { authorization: `Bearer ${this.token}` };
  }
}

function failure(error: unknown): ActionError {
  return new ActionError(text(member(error, "group")), text(member(error, "code")), text(member(error, "message")));
}

export interface Listener {
  event(name: string, payload: unknown): void;
  state(open: boolean, reason: string): void;
}

interface Waiting {
  resolve(output: unknown): void;
  reject(error: Error): void;
}

/** A connection to one actor. Actions over it come after the events that they cause. */
export class Connection {
  private next = 0;
  private readonly waiting = new Map<string, Waiting>();
  private readonly early: string[] = [];
  private open = false;

  constructor(private readonly socket: WebSocket, private readonly events: string[], private readonly listener: Listener) {
    socket.addEventListener("message", (message) => this.receive(String(message.data)));
    socket.addEventListener("close", (close) => this.closed(close.reason || "connection lost"));
  }

  action(name: string, ...args: Json[]): Promise<unknown> {
    const id = String(this.next++);
    this.send({ tag: "ActionRequest", val: { id: ["$BigInt", id], name, args } });
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  close(): void {
    this.socket.close(1000, "Disposed");
  }

  private send(body: Json): void {
    const frame = JSON.stringify({ body });
    if (this.open) this.socket.send(frame);
    else this.early.push(frame);
  }

  private receive(frame: string): void {
    const body = member(JSON.parse(frame), "body");
    const value = member(body, "val");
    switch (member(body, "tag")) {
      case "Init":
        this.open = true;
        for (const eventName of this.events) this.send({ tag: "SubscriptionRequest", val: { eventName, subscribe: true } });
        for (const early of this.early.splice(0)) this.socket.send(early);
        this.listener.state(true, "");
        break;
      case "ActionResponse":
        this.take(member(value, "id"))?.resolve(member(value, "output"));
        break;
      case "Error":
        this.take(member(value, "actionId"))?.reject(failure(value));
        break;
      case "Event":
        this.listener.event(text(member(value, "name")), (member(value, "args") as unknown[] | undefined)?.[0]);
        break;
    }
  }

  private take(id: unknown): Waiting | undefined {
    const key = Array.isArray(id) ? String(id[1]) : String(id);
    const waiting = this.waiting.get(key);
    this.waiting.delete(key);
    return waiting;
  }

  private closed(reason: string): void {
    this.open = false;
    for (const waiting of this.waiting.values()) waiting.reject(new ActionError("client", "closed", reason));
    this.waiting.clear();
    this.listener.state(false, reason);
  }
}
