// Calls over HTTP, against servers on loopback: what is sent, and that nothing a server does is more than an error.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServerResponse } from "node:http";
import { createClient } from "../dist/index.js";
import type { ClientOptions, Encoding } from "../dist/index.js";
import { fails, failure } from "./support/fake.js";
import { contentType, json, loopback, result } from "./support/loopback.js";
import type { Seen } from "./support/loopback.js";

/** Runs a test against a server that answers actions so. */
async function against(
  answer: (request: Seen, response: ServerResponse) => unknown,
  run: (vm: any, server: Awaited<ReturnType<typeof loopback>>, client: any) => Promise<void>,
  options: ClientOptions & { vm?: object } = {},
): Promise<void> {
  const server = await loopback(answer);
  const { vm, ...rest } = options;
  const client = createClient({ endpoint: server.url, ...rest });
  try {
    await run(client.vm!.getOrCreate(["k"], vm), server, client);
  } finally {
    await client.dispose();
    await server.close();
  }
}

for (const encoding of ["bare", "json", "cbor"] as Encoding[]) {
  test(`an action in ${encoding}: where it goes and what it carries`, async () => {
    const output = { exitCode: 0, bytes: new Uint8Array([1]), big: 5n, list: [null, "x"] };
    const sent = encoding === "json" ? { ...output, bytes: ["$Uint8Array", "AQ=="], big: ["$BigInt", "5"] } : output;
    const answer = (_: Seen, response: ServerResponse): void => {
      response.writeHead(200, { "content-type": contentType(encoding) });
      response.end(result(encoding, sent));
    };
    const options = { encoding, token: "s#cret", headers: { "x-mine": "1" }, vm: { params: { user: "Zoë" } } };
    await against(
      answer,
      async (vm, { seen }) => {
        assert.deepEqual(await vm.exec("ls"), output);
        assert.deepEqual(await vm.policy.explain("a"), output);
        const [find, exec, explain] = seen;
        assert.deepEqual([find!.method, find!.url], ["PUT", "/actors?namespace=default"]);
        assert.deepEqual(JSON.parse(find!.body.toString()), {
          name: "vm",
          key: "k",
          runner_name_selector: "default",
          crash_policy: "sleep",
        });
        assert.deepEqual([exec!.method, exec!.url], ["POST", "/gateway/a1/action/exec"]);
        assert.equal(explain!.url, "/gateway/a1/action/policy.explain");
        assert.equal(seen.length, 3);
        for (const { headers } of seen)
          assert.deepEqual([headers["x-rivet-token"], headers["x-mine"]], ["s#cret", "1"]);
        assert.equal(exec!.headers["x-rivet-encoding"], encoding);
        assert.equal(exec!.headers["x-rivet-conn-params"], '{"user":"Zo\\u00eb"}');
      },
      options,
    );
  });
}

test("errors are raised in the class that is theirs, whatever encoding they come in", async () => {
  const cases = [
    [{ group: "user", code: "nope", message: "No", metadata: { a: 1 } }, "UserError"],
    [{ group: "agentos", code: "invalid_schedule", message: "bad" }, "InvalidScheduleError"],
    [{ group: "agentos", code: "past_schedule", message: "late" }, "PastScheduleError"],
    [{ group: "agentos", code: "ENOENT", message: "ENOENT: no such file" }, "ActorError"],
  ] as const;
  for (const [shape, kind] of cases) {
    await against(
      (_, response) => json(response, 400, shape),
      async (vm) => {
        const error = await fails(vm.stat("/x"), `${shape.group}/${shape.code}`);
        assert.deepEqual([error.name, error.constructor.name, error.message], [kind, kind, shape.message]);
        assert.deepEqual(JSON.parse(JSON.stringify(error)), shape);
      },
    );
  }
});

test("an answer that is no answer is an error of the protocol", async () => {
  const bodies: [number, string, string | Buffer][] = [
    [200, "application/octet-stream", Buffer.from([9, 9, 9])],
    [200, "application/octet-stream", ""],
    [502, "text/html", "<h1>Bad gateway</h1>"],
    [400, "application/json", '{"group":5}'],
    [500, "application/json", "{"],
  ];
  for (const [status, type, body] of bodies) {
    const answer = (_: Seen, response: ServerResponse): void =>
      void response.writeHead(status, { "content-type": type }).end(body);
    await against(answer, async (vm) => void (await fails(vm.stat("/x"), "client/protocol")));
  }
});

test("an answer beyond the bound is refused, announced or not", async () => {
  const large = Buffer.alloc(5000, 0x61);
  for (const announced of [true, false]) {
    const answer = (_: Seen, response: ServerResponse): void => {
      response.writeHead(200, announced ? { "content-length": large.length } : {});
      response.end(large);
    };
    await against(
      answer,
      async (vm) => {
        const error = await fails(vm.stat("/x"), "client/message_too_large");
        assert.deepEqual([error.metadata.limit, error.metadata.capacity], ["maxMessageSize", 1000]);
      },
      { maxMessageSize: 1000 },
    );
  }
});

test("a redirect is not followed: the token stays here", async () => {
  await against(
    () => assert.fail("nobody comes here"),
    async (_, target) => {
      const answer = (_: Seen, response: ServerResponse): void =>
        void response.writeHead(307, { location: target.url }).end();
      await against(
        answer,
        async (vm) => {
          await fails(vm.stat("/x"), "client/unreachable");
          assert.equal(target.seen.length, 0);
        },
        { token: "secret" },
      );
    },
  );
});

test("a server that does not answer is waited for as long as the caller says", async () => {
  const held: ServerResponse[] = [];
  await against(
    (_, response) => held.push(response),
    async (vm) => {
      const error = await fails(vm.exec("make"), "client/timed_out");
      assert.match(error.message, /exec was not answered within 500 ms/);
      const controller = new AbortController();
      const call = failure(vm.exec("make", { signal: controller.signal }));
      controller.abort(new Error("enough"));
      assert.match((await call).message, /enough/);
      await fails(vm.action({ name: "x", timeoutMs: 20 }), "client/timed_out");
    },
    { callTimeoutMs: 500 },
  );
});

test("a server that breaks off, and one that is not there, cannot be reached", async () => {
  const breakOff = (_: Seen, response: ServerResponse): void => {
    response.writeHead(200, { "content-length": 100 });
    response.write("half", () => response.destroy());
  };
  await against(breakOff, async (vm) => void (await fails(vm.stat("/x"), "client/unreachable")));
  const nobody = await loopback(() => {});
  await nobody.close();
  const vm = createClient({ endpoint: nobody.url.replace("//", "//space:secret@") }).vm!.getOrCreate("k");
  const error = await fails(vm.stat!("/x"), "client/unreachable");
  assert.match(error.message, new RegExp(`${nobody.url}.*ECONNREFUSED`));
  assert.ok(!error.message.includes("secret"));
});

test("what is not the actor that was asked for is refused", async () => {
  for (const body of [null, {}, { actors: 5 }, { actors: [{}] }, { actors: [{ actor_id: "a1", name: "other" }] }]) {
    await against(
      (_, response) => json(response, 200, body),
      async (_, server, client) => {
        await fails(client.vm.get("k").stat("/x"), "client/protocol");
        void server;
      },
    );
  }
  await against(
    (_, response) => json(response, 200, { actors: [] }),
    async (_vm, _server, client) => {
      await fails(client.vm.get("k").stat("/x"), "actor/not_found");
    },
  );
});

test("an actor that is gone is asked for once more; what had no effect is repeated", async () => {
  for (const [code, group, asked, called] of [
    ["not_found", "actor", 2, 2],
    ["service_unavailable", "guard", 1, 5],
    ["action_not_found", "actor", 1, 1],
  ] as const) {
    await against(
      (_, response) => json(response, 404, { group, code, message: "x" }),
      async (vm, { seen }) => {
        await fails(vm.stat("/x"), `${group}/${code}`);
        assert.deepEqual(
          [seen.filter(({ method }) => method === "PUT").length, seen.filter(({ method }) => method === "POST").length],
          [asked, called],
        );
      },
    );
  }
});

test("create takes input; a taken key is an error", async () => {
  let taken = false;
  const answer = (_: Seen, response: ServerResponse): void => {
    if (taken) return json(response, 400, { group: "actor", code: "duplicate_key", message: "taken", metadata: {} });
    taken = true;
    json(response, 200, { actor: { actor_id: "a9", name: "vm" } });
  };
  await against(answer, async (_, { seen }, client) => {
    const made = await client.vm.create(["a", "b/c", "d\\e"], { input: { x: 1 } });
    assert.equal(await made.resolve(), "a9");
    const { key, input } = JSON.parse(seen[0]!.body.toString());
    assert.equal(key, "a/b\\/c/d\\\\e");
    assert.equal(Buffer.from(input, "base64").toString("hex"), "b90001617801");
    await fails(client.vm.create("a"), "actor/duplicate_key");
  });
});

test("queues, raw requests and addresses", async () => {
  const answer = (request: Seen, response: ServerResponse): void => {
    if (request.url.includes("/queue/")) return json(response, 200, { status: "completed", response: 5 });
    response.writeHead(201, { "x-theirs": "1" }).end(`${request.method} ${request.url} ${request.body.toString()}`);
  };
  await against(
    answer,
    async (vm, server) => {
      assert.deepEqual(await vm.send("jobs", { id: 1 }, { wait: true, timeout: 2500 }), {
        status: "completed",
        response: 5,
      });
      assert.deepEqual(JSON.parse(server.seen.at(-1)!.body.toString()), {
        body: { id: 1 },
        name: "jobs",
        wait: true,
        timeout: 2500,
      });
      const raw = await vm.fetch("/fetch/tok/x?y=1", { method: "POST", body: "hi", headers: { "x-mine": "1" } });
      assert.deepEqual([raw.status, raw.headers.get("x-theirs")], [201, "1"]);
      assert.equal(await raw.text(), "POST /gateway/a1/request/fetch/tok/x?y=1 hi");
      assert.equal(server.seen.at(-1)!.headers["x-mine"], "1");
      const again = await vm.fetch(new Request("http://anywhere/p?q", { method: "PUT", body: "b" }));
      assert.equal(await again.text(), "PUT /gateway/a1/request/p?q b");
      assert.equal(await vm.getGatewayUrl(), `${server.url}/gateway/a1`);
    },
    { encoding: "json" },
  );
});

test("arguments of the client's own functions are checked, and secrets not shown", async () => {
  const bad: [() => unknown, RegExp][] = [
    [() => createClient("ftp://x"), /endpoint: expected a URL that begins with/],
    [() => createClient("http://n:secret@h/?q"), /endpoint: expected a URL without query/],
    [() => createClient("nothing"), /endpoint: expected a URL like/],
    [() => createClient({ encoding: "xml" as Encoding }), /encoding: expected/],
    [() => createClient({ callTimeoutMs: -1 }), /callTimeoutMs: expected/],
    [() => createClient().vm!.getOrCreate([5 as never]), /key\[0\]: expected a text, received number/],
    [() => createClient().vm!.getOrCreate("x".repeat(129)), /key\[0\]: expected at most 128 bytes, received 129/],
    [() => createClient().vm!.getOrCreate(Array(20).fill("x".repeat(100))), /key: expected at most 1024 bytes/],
    [
      () => createClient().vm!.getOrCreate("k", { params: { secret: "x".repeat(5000) } }),
      /params: expected at most 4096 bytes/,
    ],
    [() => createClient().vm!.getOrCreate("k", { params: { secret: 5n } }), /params: expected a value for JSON/],
    [() => createClient().vm!.getForId(""), /id: expected/],
  ];
  for (const [make, text] of bad) {
    assert.throws(make, (error: any) => {
      assert.match(error.message, text);
      assert.deepEqual([error.group, error.code], ["client", "invalid_argument"]);
      assert.ok(!`${error.message}${JSON.stringify(error)}`.includes("secret"));
      return true;
    });
  }
  const place = createClient("https://space:s%40cret@example.com/base/");
  assert.equal(await place.vm!.getForId("a b").getGatewayUrl(), "https://example.com/base/gateway/a%20b");
});

test("what cannot be sent names where it is", async () => {
  for (const encoding of ["bare", "json", "cbor"] as Encoding[]) {
    const vm = createClient({ encoding }).vm!.getForId("a1");
    for (const value of [() => {}, Symbol("x"), Promise.resolve(1), new Uint16Array(1)]) {
      const error = await fails(vm.x!({ a: [1, value] }), "client/invalid_argument");
      assert.match(error.message, /args\[0\]\.a\[1\]: expected a value that can be sent/);
    }
  }
});

test("handles and clients can be awaited and compared", async () => {
  const client = createClient();
  const vm = client.vm!.getForId("a1");
  assert.equal(await vm, vm);
  assert.equal(await client, client);
  assert.equal(client.vm, client.vm);
  assert.equal(vm.exec, vm.exec);
  assert.equal(vm.policy!.explain, vm.policy!.explain);
  assert.notEqual(vm.exec, vm.stat);
});
