// The hooks, rendered, on a platform that the test plays (see the client's tests).
import assert from "node:assert/strict";
import { test } from "node:test";
import { StrictMode, createElement as h, useEffect, useState } from "react";
import type { ReactElement } from "react";
import { renderToString } from "react-dom/server";
import { act, create } from "react-test-renderer";
import type { ReactTestRenderer } from "react-test-renderer";
import { createAgentOsReactWithClient, createRivetKit, useConnectionStatus, useEvent } from "../dist/index.js";
import { Stage, settle } from "../../client/build/support/fake.js";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;
// The renderer says that it will go; what it tests does not.
const said = console.error;
console.error = (...args: unknown[]) => String(args[0]).includes("react-test-renderer is deprecated") || said(...args);

async function render(element: ReactElement): Promise<ReactTestRenderer> {
  let rendered: ReactTestRenderer | undefined;
  await act(async () => {
    rendered = create(element);
    await settle();
  });
  assert.ok(rendered);
  return rendered;
}

async function change(what: () => void): Promise<void> {
  await act(async () => {
    what();
    await settle();
  });
}

function stageOf() {
  const stage = new Stage();
  const { useActor } = createAgentOsReactWithClient(stage.client);
  const open = (): number => stage.sockets.filter((socket) => !socket.closed && !socket.ended).length;
  const states: ReturnType<typeof useActor>[] = [];
  function Actor({ id = "k", ...rest }: { id?: string; [option: string]: unknown }): ReactElement {
    const state = useActor({ name: "vm", key: id, ...rest });
    states.push(state);
    return h("i", null, `${id} ${state.connStatus} ${state.error?.code ?? ""}`);
  }
  return { stage, useActor, Actor, open, states };
}

const textOf = (rendered: ReactTestRenderer): string => JSON.stringify(rendered.toJSON());

test("a component sees its connection open, drop and come back", async () => {
  const { stage, Actor } = stageOf();
  const rendered = await render(h(Actor));
  assert.match(textOf(rendered), /k connecting/);
  await change(() => stage.socket.init());
  assert.match(textOf(rendered), /k connected/);
  await change(() => stage.socket.end("ws.going_away"));
  assert.match(textOf(rendered), /k disconnected/);
  await act(() => stage.clock.advance(250));
  await change(() => stage.socket.tell("error", {}));
  assert.match(textOf(rendered), /k disconnected unreachable/);
  await act(() => stage.clock.advance(10_000));
  await change(() => stage.socket.init());
  assert.match(textOf(rendered), /k connected "/);
  await change(() => rendered.unmount());
});

test("a refusal is shown and is for good", async () => {
  const { stage, Actor } = stageOf();
  const rendered = await render(h(Actor));
  await change(() => {
    stage.socket.fail(null, "user", "forbidden");
    stage.socket.end("user.forbidden");
  });
  assert.match(textOf(rendered), /k closed forbidden/);
});

test("strict mode opens one connection and leaves none", async () => {
  const { stage, Actor, open } = stageOf();
  const rendered = await render(h(StrictMode, null, h(Actor)));
  assert.equal(stage.sockets.length, 1);
  await change(() => stage.socket.init());
  assert.match(textOf(rendered), /k connected/);
  await change(() => rendered.unmount());
  assert.equal(open(), 0);
});

test("components share the connection of an actor; the last one closes it", async () => {
  const { stage, Actor, open } = stageOf();
  const both = h("b", null, h(Actor, { key: 1 }), h(Actor, { key: 2 }), h(Actor, { key: 3, id: "other" }));
  const rendered = await render(both);
  assert.equal(stage.sockets.length, 2);
  await change(() => rendered.update(h("b", null, h(Actor, { key: 2 }))));
  assert.equal(open(), 1);
  await change(() => rendered.unmount());
  assert.equal(open(), 0);
});

test("another key or other parameters are another connection; a new function is not", async () => {
  const { stage, Actor, open, states } = stageOf();
  const rendered = await render(h(Actor, { getParams: () => ({ token: 1 }) }));
  const { handle } = states.at(-1)!;
  await change(() => rendered.update(h(Actor, { getParams: () => ({ token: 2 }) })));
  assert.equal(stage.sockets.length, 1);
  assert.equal(states.at(-1)!.handle, handle);
  await change(() => stage.socket.end("ws.going_away"));
  await act(() => stage.clock.advance(250));
  assert.match(stage.socket.protocols[2]!, /%22token%22%3A2/, "the latest function is asked");
  await change(() => rendered.update(h(Actor, { id: "other", params: { a: 1 } })));
  await change(() => rendered.update(h(Actor, { id: "other", params: { a: 2 } })));
  assert.deepEqual([stage.sockets.length, open()], [4, 1]);
  assert.match(stage.socket.protocols[2]!, /%22a%22%3A2/);
});

test("enabled says whether there is a connection", async () => {
  const { stage, Actor, open } = stageOf();
  const rendered = await render(h(Actor, { enabled: false }));
  assert.match(textOf(rendered), /k idle/);
  assert.equal(stage.sockets.length, 0);
  await change(() => rendered.update(h(Actor, { enabled: true })));
  assert.equal(open(), 1);
  await change(() => rendered.update(h(Actor, { enabled: false })));
  assert.equal(open(), 0);
  assert.match(textOf(rendered), /k idle/);
});

test("events reach the latest listener, and nobody after the component has gone", async () => {
  const { stage, useActor } = stageOf();
  const heard: string[] = [];
  function Listener({ name }: { name: string }): null {
    const state = useActor({ name: "vm", key: "k" });
    state.useEvent("e", (value) => heard.push(`${name} ${String(value)}`));
    return null;
  }
  const rendered = await render(h(Listener, { name: "a" }));
  await change(() => stage.socket.init());
  assert.deepEqual(stage.socket.said, ["+e"]);
  const tell = (value: number): void => stage.socket.message("Event", { name: "e", args: [value] });
  await change(() => tell(1));
  await change(() => rendered.update(h(Listener, { name: "b" })));
  await change(() => tell(2));
  await change(() => rendered.unmount());
  await change(() => tell(3));
  assert.deepEqual(heard, ["a 1", "b 2"]);
});

test("hooks on a connection that somebody else made", async () => {
  const { stage } = stageOf();
  const connection = stage.vm().connect();
  await settle();
  function Status(): ReactElement {
    const [count, setCount] = useState(0);
    useEvent(connection, "e", () => setCount((before) => before + 1));
    return h("i", null, `${useConnectionStatus(connection)} ${count} ${useConnectionStatus(null)}`);
  }
  const rendered = await render(h(Status));
  assert.match(textOf(rendered), /connecting 0 idle/);
  await change(() => stage.socket.init());
  await change(() => stage.socket.message("Event", { name: "e", args: [] }));
  assert.match(textOf(rendered), /connected 1 idle/);
});

test("actions of a handle and of a connection from a component", async () => {
  const { stage, useActor } = stageOf();
  const answers: unknown[] = [];
  function Reader(): null {
    const { connection, isConnected } = useActor({ name: "vm", key: "k" });
    useEffect(() => {
      if (isConnected) void connection?.readdir!("/").then((names: unknown) => answers.push(names));
    }, [connection, isConnected]);
    return null;
  }
  await render(h(Reader));
  await change(() => stage.socket.init());
  await change(() => stage.socket.answer(0, ["a"]));
  assert.deepEqual(answers, [["a"]]);
});

test("a server renders without opening anything", async () => {
  const { stage, Actor, states } = stageOf();
  const html = renderToString(h(Actor));
  await settle();
  assert.match(html, /k idle/);
  assert.deepEqual([stage.sockets.length, stage.requests.length], [0, 0]);
  assert.equal(typeof states[0]!.handle.exec, "function");
});

test("the names that users of RivetKit know", () => {
  assert.equal(typeof createRivetKit("http://127.0.0.1:6420").useActor, "function");
});
