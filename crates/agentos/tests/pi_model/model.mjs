// A model without wits: it speaks Anthropic's streaming API, and its first answer is always to write a program and run it.
import { createServer } from "node:http";

function events(blocks, stop) {
  const out = [["message_start", { message: { id: "m", type: "message", role: "assistant", model: "scripted", content: [],
    stop_reason: null, stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 } } }]];
  blocks.forEach((block, index) => {
    const start = block.type === "text" ? { type: "text", text: "" } : { type: "tool_use", id: block.id, name: block.name, input: {} };
    const delta = block.type === "text" ? { type: "text_delta", text: block.text }
      : { type: "input_json_delta", partial_json: JSON.stringify(block.input) };
    out.push(["content_block_start", { index, content_block: start }], ["content_block_delta", { index, delta }],
      ["content_block_stop", { index }]);
  });
  out.push(["message_delta", { delta: { stop_reason: stop, stop_sequence: null }, usage: { output_tokens: 5 } }], ["message_stop", {}]);
  return out.map(([event, data]) => `event: ${event}\ndata: ${JSON.stringify({ type: event, ...data })}\n\n`).join("");
}

function answer(body) {
  const results = body.messages.flatMap((message) => Array.isArray(message.content) ? message.content : [])
    .filter((block) => block.type === "tool_result");
  const tool = (id, name, input) => events([{ type: "tool_use", id, name, input }], "tool_use");
  if (results.length === 0) return tool("t1", "write", { path: "/home/user/hello.sh", content: "echo made by an agent\n" });
  if (results.length === 1) return tool("t2", "bash", { command: "sh /home/user/hello.sh" });
  return events([{ type: "text", text: `It said: ${JSON.stringify(results.at(-1).content)}` }], "end_turn");
}

createServer((request, response) => {
  let text = "";
  request.on("data", (data) => { text += data; });
  request.on("end", () => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(answer(JSON.parse(text)));
  });
}).listen(8999, "127.0.0.1", () => console.log("listening"));
