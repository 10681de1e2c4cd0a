// A page that uses client and hooks in a browser. What it finds is in its title and in #log; tests/browser/client.mjs reads it.
import { StrictMode, createElement as h, useEffect, useState } from "react";
import type { ReactElement } from "react";
import { createRoot } from "react-dom/client";
import { createClient, isActorError } from "@agentos/client";
import type { Encoding, RegistryTypes, VmDefinitionTypes } from "@agentos/client";
import { createAgentOsReact } from "../../dist/index.js";

type Registry = RegistryTypes<{ vm: VmDefinitionTypes }>;
const endpoint = new URLSearchParams(location.search).get("endpoint") ?? "";
const { useActor } = createAgentOsReact<Registry>(endpoint);
const text = new TextDecoder();

async function check(encoding: Encoding): Promise<string> {
  const client = createClient<Registry>({ endpoint, encoding });
  const vm = client.vm.getOrCreate(["page", encoding], { params: { user: "Zoë (page)" } });
  const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => index * 7);
  await vm.writeFile("/home/user/bytes", bytes);
  const read = await vm.readFile("/home/user/bytes");
  if (read.length !== bytes.length || read.some((byte, index) => byte !== bytes[index])) return "other bytes";
  const connection = vm.connect();
  const output = new Promise<string>((resolve) =>
    connection.once("processOutput", ({ data }) => resolve(text.decode(data))),
  );
  await connection.spawn("echo", ["from", encoding]);
  const missing = await connection
    .stat("/none")
    .catch((error: unknown) => (isActorError(error) ? error.code : String(error)));
  const heard = (await output).trim();
  await client.dispose();
  return `${heard}, ${missing}`;
}

function Vm(): ReactElement {
  const vm = useActor({ name: "vm", key: ["page", "react"] });
  const [log, setLog] = useState("");
  vm.useEvent("processOutput", ({ data }) => setLog((before) => before + text.decode(data)));
  const { connection, isConnected } = vm;
  useEffect(() => {
    if (isConnected) void connection?.spawn("echo", ["hello from react"]);
  }, [connection, isConnected]);
  return h("p", { id: "react" }, `${vm.connStatus} ${log}`);
}

const root = createRoot(document.querySelector("#app")!);
root.render(h(StrictMode, null, h(Vm)));
document.querySelector("#log")!.textContent = (
  await Promise.all((["bare", "json", "cbor"] as const).map((encoding) => check(encoding).catch(String)))
).join("; ");
