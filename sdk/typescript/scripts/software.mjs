// Writes the packages of software descriptors, `packages/software-*`, from the table below.
//
//     node scripts/software.mjs          write them
//     node scripts/software.mjs --check  fail if what is there differs
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const packages = join(dirname(fileURLToPath(import.meta.url)), "../packages");
const version = JSON.parse(readFileSync(join(packages, "../package.json"), "utf8")).version;

/** Packages of commands: what each is for. */
const COMMANDS = {
	common: "The bundled shell and tools: coreutils with sh, sed, grep, gawk, findutils, diffutils, tar, gzip",
	coreutils: "sh and the basic tools for files, text and processes",
	curl: "curl",
	diffutils: "cmp, diff and comm",
	file: "file, which tells what files hold",
	findutils: "find and xargs",
	gawk: "awk",
	grep: "grep, egrep and fgrep",
	gzip: "gzip, gunzip and zcat",
	jq: "jq, for JSON",
	ripgrep: "rg, a fast recursive grep",
	sed: "sed",
	sqlite3: "sqlite3",
	tar: "tar",
	tree: "tree",
	unzip: "unzip and zipinfo",
	wget: "wget",
	yq: "yq, for YAML",
	zip: "zip",
};

/** Agents: what each is, and the package it comes from. */
const AGENTS = {
	pi: { description: "The pi coding agent", agentPackage: "@mariozechner/pi-coding-agent" },
};

/** The files of one package. */
function files(name, descriptor, description, note) {
	const manifest = {
		name: `@agentos/${name}`,
		version,
		description: `agentOS software: ${description}`,
		license: "Apache-2.0",
		type: "module",
		exports: { ".": { types: "./index.d.ts", default: "./index.js" } },
		files: ["index.js", "index.d.ts"],
		engines: { node: ">=20" },
	};
	const type = (value) =>
		typeof value === "string" ? JSON.stringify(value) : `{ ${Object.entries(value).map(([key, inner]) => `readonly ${key}: ${type(inner)}`).join("; ")} }`;
	const doc = `/** ${description}. */\n`;
	return {
		"package.json": `${JSON.stringify(manifest, null, "\t")}\n`,
		"index.js": `${doc}export default Object.freeze(${JSON.stringify(descriptor, null, "\t")});\n`,
		"index.d.ts": `${doc}declare const software: ${type(descriptor)};\nexport default software;\n`,
		"README.md": `# @agentos/${name}\n\n${description}. A descriptor for \`software\`; it holds no programs itself.\n\n\`\`\`ts\nimport ${name} from "@agentos/${name}";\nagentOs({ options: { software: [${name}] } });\n\`\`\`\n\n${note}\n`,
	};
}

const bundled = "The programs are part of agentOS: each package of commands brings the whole bundled userland.";
const agent = "The agent is declared: `listAgents` shows it. Sessions are not available in this version, and `createSession` says so.";
const wanted = new Map();
for (const [name, description] of Object.entries(COMMANDS)) {
	wanted.set(`software-${name}`, files(name, { name, type: "commands" }, description, bundled));
}
for (const [name, { description, agentPackage }] of Object.entries(AGENTS)) {
	const descriptor = { name, type: "agent", agent: { id: name, acpAdapter: `@agentos/${name}`, agentPackage } };
	wanted.set(`software-${name}`, files(name, descriptor, description, agent));
}

let different = 0;
for (const [directory, contents] of wanted) {
	for (const [file, content] of Object.entries(contents)) {
		const path = join(packages, directory, file);
		if (existsSync(path) && readFileSync(path, "utf8") === content) continue;
		different++;
		if (process.argv.includes("--check")) {
			console.error(`${path} differs; run node scripts/software.mjs`);
		} else {
			mkdirSync(dirname(path), { recursive: true });
			writeFileSync(path, content);
		}
	}
}
if (process.argv.includes("--check") && different > 0) process.exit(1);
