/** `fetch(port, Request) -> Response`: Web requests to servers in the VM, both bodies streamed. */
import { call, invoke } from "@agentos/native";
import { invalidArgument } from "./errors.js";

interface Head {
  status: number;
  statusText: string;
  headers: [string, string][];
  body: number;
}

/** Statuses whose responses have no body. */
const BODILESS = new Set([101, 204, 205, 304]);

/** Sends a request to whoever listens at a port of a VM. */
export async function fetchFromVm(vm: number, port: number, input: Request | URL | string, init?: RequestInit): Promise<Response> {
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw invalidArgument("port", "an integer between 1 and 65535", port);
  // A relative URL is one of the server itself.
  const request = new Request(typeof input === "string" ? new URL(input, `http://localhost:${port}`) : input, init);
  const url = new URL(request.url);
  const headers = [...request.headers];
  if (!request.headers.has("host")) headers.push(["host", url.host]);
  const head = { method: request.method, target: `${url.pathname}${url.search}`, headers };
  const body = request.body === null ? undefined : call<number>((native) => native.fetchBegin(vm));
  const sending = request.body !== null && body !== undefined ? send(vm, body, request.body) : undefined;
  try {
    const answer = await invoke<Head>((native, id) => native.vmFetch(vm, id, port, head, body), request.signal);
    return response(vm, answer, request.method);
  } finally {
    // What the server did not want to read is not sent.
    void sending?.catch(() => {});
  }
}

async function send(vm: number, body: number, stream: ReadableStream<Uint8Array>): Promise<void> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const taken = await invoke<boolean>((native, id) => native.fetchWrite(vm, id, body, value));
      if (!taken) return;
    }
  } catch (error) {
    // The server must not take half a body for a whole one.
    await invoke((native, id) => native.fetchWrite(vm, id, body, String(error))).catch(() => {});
  } finally {
    await reader.cancel().catch(() => {});
    await invoke((native, id) => native.fetchWrite(vm, id, body, undefined)).catch(() => {});
  }
}

function response(vm: number, head: Head, method: string): Response {
  const close = (): void => call((native) => native.fetchClose(vm, head.body));
  const { status, statusText } = head;
  const headers = new Headers(head.headers);
  if (method === "HEAD" || BODILESS.has(status) || status < 200) {
    close();
    // A response with a status below 200 cannot be made; none but 101 ever arrives.
    return new Response(null, { status: status < 200 ? 204 : status, statusText, headers });
  }
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const piece = await invoke<Uint8Array | undefined>((native, id) => native.fetchRead(vm, id, head.body));
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      },
      cancel: close,
    },
    { highWaterMark: 0 },
  );
  return new Response(stream, { status, statusText, headers });
}
