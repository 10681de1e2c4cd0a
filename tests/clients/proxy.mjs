// A proxy between a client and a server that can be told to fail: to answer requests with errors, to close WebSockets as
// soon as they are accepted, to refuse connections.
import { createHash } from "node:crypto";
import http from "node:http";
import net from "node:net";

export class Proxy {
	/** Decides about a request: `{group, code, status}` answers it with that error, nothing forwards it. */
	fault = (_request) => undefined;
	/** While set, WebSockets are accepted and closed with this `{code, reason}`. */
	closing = undefined;
	/** While set, requests and upgrades wait for this promise, like connections in the backlog of a socket handed over. */
	holding = undefined;
	/** Requests seen, by path without query. */
	requests = new Map();
	/** WebSocket upgrades seen. */
	upgrades = 0;

	#upstream;
	#server;
	#sockets = new Set();
	/** The client's side of WebSockets that are forwarded. */
	#open = new Set();

	static async start(endpoint) {
		const proxy = new Proxy();
		proxy.#upstream = new URL(endpoint);
		await proxy.listen(0);
		return proxy;
	}

	async listen(port) {
		this.#server = http.createServer((request, response) => this.#request(request, response));
		this.#server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
		this.#server.on("connection", (socket) => {
			this.#sockets.add(socket);
			socket.on("error", () => {});
			socket.on("close", () => this.#sockets.delete(socket));
		});
		await new Promise((resolve, reject) => this.#server.once("error", reject).listen(port, "127.0.0.1", resolve));
		this.port = this.#server.address().port;
		this.endpoint = `http://127.0.0.1:${this.port}`;
	}

	/** Stops listening and drops everything; the port refuses until `listen(port)`. */
	async refuse() {
		const closed = new Promise((resolve) => this.#server.close(resolve));
		for (const socket of this.#sockets) socket.destroy();
		await closed;
	}

	/** Closes the WebSockets that are open, with a close frame if one is given. */
	drop(close) {
		for (const socket of this.#open) {
			if (close) socket.end(closeFrame(close));
			else socket.destroy();
		}
		this.#open.clear();
	}

	async #request(request, response) {
		await this.holding;
		const path = request.url.split("?")[0];
		this.requests.set(path, (this.requests.get(path) ?? 0) + 1);
		if (path === "/metadata") {
			// The reference server names its own endpoint here, which would lead clients past this proxy.
			response.writeHead(200, { "content-type": "application/json" });
			response.end("{}");
			return;
		}
		const fault = this.fault(request);
		if (fault) {
			request.resume();
			request.on("end", () => {
				const { group, code, status = 500 } = fault;
				response.writeHead(status, { "content-type": "application/json" });
				response.end(JSON.stringify({ group, code, message: `injected ${group}.${code}`, metadata: null }));
			});
			return;
		}
		const { hostname, port } = this.#upstream;
		const options = { hostname, port, method: request.method, path: request.url, headers: { ...request.headers, host: `${hostname}:${port}` } };
		const forwarded = http.request(options, (answer) => {
			response.writeHead(answer.statusCode, answer.headers);
			answer.pipe(response);
		});
		forwarded.on("error", () => response.destroy());
		request.pipe(forwarded);
	}

	async #upgrade(request, socket, head) {
		this.upgrades++;
		await this.holding;
		if (this.closing) {
			const key = request.headers["sec-websocket-key"];
			const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
			const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", `Sec-WebSocket-Accept: ${accept}`, "Sec-WebSocket-Protocol: rivet"];
			socket.write(`${lines.join("\r\n")}\r\n\r\n`);
			socket.end(closeFrame(this.closing));
			return;
		}
		const { hostname, port } = this.#upstream;
		const upstream = net.connect(Number(port), hostname, () => {
			const headers = [];
			for (let index = 0; index < request.rawHeaders.length; index += 2) {
				const name = request.rawHeaders[index];
				headers.push(`${name}: ${/^host$/i.test(name) ? `${hostname}:${port}` : request.rawHeaders[index + 1]}`);
			}
			upstream.write(`${request.method} ${request.url} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`, "latin1");
			upstream.write(head);
			upstream.pipe(socket);
			socket.pipe(upstream);
			this.#open.add(socket);
		});
		socket.on("close", () => {
			this.#open.delete(socket);
			upstream.destroy();
		});
		upstream.on("error", () => socket.destroy());
		upstream.on("close", () => socket.end());
	}
}

function closeFrame({ code, reason }) {
	const body = Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason ?? "")]);
	return Buffer.concat([Buffer.from([0x88, body.length]), body]);
}
