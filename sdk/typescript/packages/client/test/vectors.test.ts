// The golden vectors of the protocol: bytes of stock clients and of the reference servers. What a server sent must be read
// as its `decoded` says. What client 2.2.1 sent must be what this client writes for the same message, byte for byte.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CODECS } from "../dist/wire/codec.js";
import type { Codec, Encoding, ToServer } from "../dist/wire/messages.js";
import { revive } from "../dist/wire/compat.js";
import { decode } from "../dist/wire/cbor.js";

type Notation = { "~"?: string; [member: string]: unknown };
interface Vector {
  name: string;
  client: string;
  encoding: Encoding;
  direction: "client-to-server" | "server-to-client";
  headers?: Record<string, string>;
  body_hex?: string;
  body_text?: string;
  defect?: string;
  decoded?: { type: string; version?: number; value?: unknown; [member: string]: unknown };
}

const file = new URL("../../../../../crates/wire/tests/data/vectors.json", import.meta.url);
const { vectors } = JSON.parse(readFileSync(file, "utf8")) as { vectors: Vector[] };

/** Vectors whose bytes this client does not write, with the reason. Checked both ways. */
const OTHER_BYTES: Record<string, string> = {
  "2.2.1/bare/action.types/request": "seconds of a date in as few bytes as they need",
  "2.2.1/cbor/action.types/request": "seconds of a date in as few bytes as they need",
  "2.2.1/bare/client-only/values-and-key": "an ArrayBuffer, which the vector shows as bytes",
  "2.2.1/cbor/client-only/values-and-key": "an ArrayBuffer, which the vector shows as bytes",
};

test("the vectors are all there", () => assert.equal(vectors.length, 404));

test("the items of a set are no tag, whatever they look like", () => {
  assert.deepEqual(revive(["$Set", ["$BigInt", "5"]]), new Set(["$BigInt", "5"]));
  assert.deepEqual(revive(["$Set", [["$BigInt", "5"], ["$Set", ["$Undefined", 0]]]]), new Set([5n, new Set(["$Undefined", 0])]));
  assert.deepEqual(revive([["$Set", []], ["$$Set", ["a"]]]), [new Set(), ["$Set", ["a"]]]);
});

test("what servers sent is read", () => {
  let seen = 0;
  for (const vector of vectors) {
    if (vector.direction !== "server-to-client" || !vector.decoded) continue;
    seen++;
    const message = read(codecOf(vector), vector);
    // To clients of version 2.3 alone, servers write tags into CBOR.
    const tags = vector.encoding === "cbor" && vector.client.startsWith("rivetkit 2.3");
    assert.deepEqual(tags ? revive(message) : message, expected(vector.decoded), vector.name);
  }
  assert.ok(seen > 100, `${seen} vectors`);
});

test("what client 2.2.1 sent is what this client writes", () => {
  let seen = 0;
  const others: string[] = [];
  for (const vector of vectors) {
    if (vector.direction !== "client-to-server" || !vector.decoded || vector.client !== "rivetkit 2.2.1") continue;
    const ours = write(CODECS[vector.encoding], vector.decoded);
    if (ours === undefined) continue;
    seen++;
    const same =
      typeof ours === "string" ? ours === vector.body_text : Buffer.from(ours).equals(body(vector) as Buffer);
    if (!same) others.push(vector.name);
  }
  assert.ok(seen > 40, `${seen} vectors`);
  assert.deepEqual(others, Object.keys(OTHER_BYTES));
});

test("all that clients sent in CBOR is read as the value that it is", () => {
  for (const vector of vectors) {
    if (vector.encoding !== "cbor" || vector.decoded?.type !== "HttpActionRequest") continue;
    assert.deepEqual(decode(body(vector) as Buffer), value(vector.decoded.value), vector.name);
  }
});

/** Any message cut short, and any byte of it changed, is read or refused, and never anything else. */
test("damaged messages are refused with an error of the protocol", () => {
  for (const vector of vectors) {
    if (vector.direction !== "server-to-client" || !vector.decoded) continue;
    const whole = Buffer.from(body(vector) as string);
    for (let at = 0; at < whole.length; at += 3) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      for (const damaged of [whole.subarray(0, at), changed]) {
        try {
          read(codecOf(vector), { ...vector, body_hex: damaged.toString("hex") });
        } catch (error) {
          assert.equal((error as { code?: string }).code, "protocol", `${vector.name}: ${String(error)}`);
        }
      }
    }
  }
});

/** Errors of routes are JSON, whatever the request was. */
function codecOf(vector: Vector): Codec {
  return CODECS[vector.headers?.["content-type"]?.includes("json") ? "json" : vector.encoding];
}

function body(vector: Vector): Buffer | string {
  return vector.body_hex === undefined ? (vector.body_text ?? "") : Buffer.from(vector.body_hex, "hex");
}

function read(codec: Codec, vector: Vector): unknown {
  const bytes = Buffer.from(body(vector) as string);
  switch (vector.decoded?.type) {
    case "HttpActionResponse":
      return codec.output(bytes);
    case "HttpResponseError":
      return codec.error(bytes);
    case "ToClient":
      return codec.toClient(codec.encoding === "json" ? bytes.toString() : bytes);
    default:
      return assert.fail(`unknown type ${vector.decoded?.type}`);
  }
}

function write(codec: Codec, decoded: NonNullable<Vector["decoded"]>): Uint8Array | string | undefined {
  const all = value(decoded.value ?? decoded) as Record<string, any>;
  switch (decoded.type) {
    case "HttpActionRequest":
      return codec.action(all.args);
    case "HttpQueueSendRequest":
      return codec.queue({ name: all.name, body: all.body, wait: all.wait, timeout: all.timeout ?? undefined });
    case "ToServer": {
      const { tag, val } = (all.body ?? { tag: all.tag, val: all.val ?? all }) as {
        tag: string;
        val: Record<string, any>;
      };
      return codec.toServer({ ...val, tag, ...(tag === "ActionRequest" && { id: Number(val.id) }) } as ToServer);
    }
    default:
      return assert.fail(`unknown type ${decoded.type}`);
  }
}

function expected(decoded: NonNullable<Vector["decoded"]>): unknown {
  const all = value(decoded.value ?? decoded) as Record<string, any>;
  switch (decoded.type) {
    case "HttpActionResponse":
      return all.output;
    case "HttpResponseError":
      return error(all);
    default: {
      const { tag, val } = (all.body ?? { tag: all.tag, val: all.val ?? all }) as {
        tag: string;
        val: Record<string, any>;
      };
      const id = val.actionId ?? undefined;
      if (tag === "Error") return { tag, error: error(val), actionId: id === undefined ? undefined : Number(id) };
      if (tag === "ActionResponse") return { tag, id: Number(val.id), output: val.output };
      if (tag === "Event") return { tag, name: val.name, args: val.args };
      return { tag, actorId: val.actorId, connectionId: val.connectionId };
    }
  }
}

function error({ group, code, message, metadata }: Record<string, any>): object {
  return { group, code, message, ...(metadata !== undefined && metadata !== null && { metadata }) };
}

/** What the notation of the vectors stands for. */
function value(notation: unknown): unknown {
  if (typeof notation !== "object" || notation === null) return notation;
  if (Array.isArray(notation)) return notation.map(value);
  const special = notation as Notation;
  switch (special["~"]) {
    case "undefined":
      return undefined;
    case "bytes":
      return new Uint8Array(Buffer.from(special.hex as string, "hex"));
    case "arraybuffer":
      return new Uint8Array(Buffer.from(special.hex as string, "hex")).buffer;
    case "bigint":
      return BigInt(special.dec as string);
    case "date":
      return new Date(special.ms as number);
    case "set":
      return new Set((special.items as unknown[]).map(value));
    case "map":
      return new Map((special.entries as [unknown, unknown][]).map(([key, item]) => [value(key), value(item)]));
    default:
      return Object.fromEntries(Object.entries(special).map(([name, member]) => [name, value(member)]));
  }
}
