// A server that asks for a token.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createClient } from "../../dist/index.js";
import { Server } from "../support/agentos.js";
import { fails } from "../support/fake.js";

const TOKEN = "s/e+cret(token)";
const server = new Server(`token = "${TOKEN}"\n[vms.vm]\nsoftware = ["common"]\n`);
before(() => server.start());
after(() => server.remove());

test("the right token is let in, over HTTP and on connections", async () => {
  for (const options of [
    { endpoint: server.url, token: TOKEN },
    { endpoint: server.url.replace("//", "//default:s%2Fe%2Bcret(token)@") },
  ]) {
    const client = createClient(options);
    const vm = client.vm!.getOrCreate("k");
    assert.equal((await vm.exec!("echo in")).stdout, "in\n");
    const connection = vm.connect();
    assert.equal((await connection.exec!("echo in")).stdout, "in\n");
    await client.dispose();
  }
});

test("a wrong one and none are refused for good, and never shown", async () => {
  const id = await createClient({ endpoint: server.url, token: TOKEN }).vm!.getOrCreate("k").resolve();
  for (const token of ["wrong-token", undefined]) {
    const client = createClient({ endpoint: server.url, ...(token !== undefined && { token }) });
    for (const handle of [client.vm!.getOrCreate("k"), client.vm!.getForId(id)]) {
      const error = await fails(handle.exec!("ls"), "auth/unauthorized");
      assert.ok(!`${error.message}${JSON.stringify(error)}${error.stack}`.includes("wrong-token"));
      const connection = handle.connect();
      await fails(connection.exec!("ls"), "auth/unauthorized");
      assert.equal(connection.connStatus, "closed");
    }
  }
});
