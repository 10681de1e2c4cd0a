// Runs in a VM that has a package's modules and esbuild, and nothing else of anybody: makes few files of many modules, and has V8 keep what it compiles of
// them. `store/linked/mod.rs` tells the whole story.
//
// usage: node link.mjs PLAN link|warm
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { chmod, readFile, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [planAt, step] = process.argv.slice(2);
const plan = JSON.parse(await readFile(planAt, 'utf8'));

/** Modules that may ask where they are. */
const ASKS = /\bimport\.meta\.(url|dirname|filename)\b|\b__(dirname|filename)\b/;

/** Lets each module say of itself that it is where it was, since what lies beside it stays there; and leaves out what is not installed. */
const places = (esbuild) => ({
  name: 'places',
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, async ({ path, pluginData, ...from }) => {
      if (pluginData === 'again' || from.kind === 'entry-point') return undefined;
      const { kind, importer, resolveDir, with: attributes } = from;
      const { errors, ...found } = await build.resolve(path, { kind, importer, resolveDir, with: attributes, pluginData: 'again' });
      return errors.length > 0 ? { path, external: true } : found;
    });
    build.onLoad({ filter: /\.[cm]?js$/ }, async ({ path }) => {
      // One after the other: as many as esbuild asks for at once would be more than a process may have open.
      const text = readFileSync(path, 'utf8');
      if (!ASKS.test(text)) return { contents: text, loader: 'js' };
      const [file, folder, url] = [path, dirname(path), pathToFileURL(path).href].map((value) => JSON.stringify(value));
      const define = {
        'import.meta.url': url, 'import.meta.dirname': folder, 'import.meta.filename': file, __dirname: folder, __filename: file,
      };
      const { code } = await esbuild.transform(text, { define, loader: 'js', target: 'esnext' });
      return { contents: code, loader: 'js' };
    });
  },
});

/**
 * Leaves packages where they are of which a command imports functions that it seldom calls, and loads one when the first of its functions is called. An
 * import alone evaluates all of a package, which is most of a start where that is a compiler, or grammars of two hundred languages.
 */
const later = ({ entries, later: packages }) => ({
  name: 'later',
  setup(build) {
    // What others import by the same name, or from it besides, is theirs to know.
    const own = `${dirname(entries.run)}/`;
    build.onResolve({ filter: /^[^./]/ }, ({ path, kind, importer }) => {
      const is = Object.hasOwn(packages, path) && kind === 'import-statement' && importer.startsWith(own);
      return is ? { path, namespace: 'later', pluginData: importer } : undefined;
    });
    build.onLoad({ filter: /./, namespace: 'later' }, ({ path, pluginData: importer }) => {
      const { from, functions } = packages[path];
      const load = `createRequire(${JSON.stringify(importer)})(${JSON.stringify(from)})`;
      const head = `import { createRequire } from 'node:module';\nlet loaded;\nconst load = () => (loaded ??= ${load});\n`;
      const calls = functions.map((name) => `export const ${name} = (...args) => load().${name}(...args);\n`);
      return { contents: head + calls.join(''), loader: 'js' };
    });
  },
});

async function link(esbuild, command) {
  const { entries, out } = command;
  await esbuild.build({
    entryPoints: entries,
    outdir: out,
    bundle: true,
    // What is imported when it is needed stays in files of its own.
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // One letter beyond ASCII makes V8 hold, scan and look through all of a file at two bytes for each.
    charset: 'ascii',
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'error',
    external: ['*.node'],
    plugins: [later(command), places(esbuild)],
    banner: { js: "import{createRequire as $agentosRequire}from'node:module';const require=$agentosRequire(import.meta.url);" },
  });
}

/** Runs a command until it has answered; what is compiled by then is kept when it ends. */
function warm({ argv, env, input, lines }) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, argv, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
    const limit = setTimeout(() => child.kill('SIGKILL'), plan.warmMs);
    let seen = 0;
    child.stdin.on('error', () => {});
    child.stdout.on('data', (data) => {
      seen += data.toString('latin1').split('\n').length - 1;
      if (seen >= lines) child.stdin.end();
    });
    child.on('error', () => {});
    child.on('close', (code) => {
      clearTimeout(limit);
      resolve(code === 0 && seen >= lines);
    });
    child.stdin.write(input);
  });
}

/** What Node.js keeps it keeps for who has written it; it is to be everybody's. */
async function open() {
  const entries = await readdir(plan.cache, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries) await chmod(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
}

if (step === 'link') {
  const esbuild = createRequire(import.meta.url)(plan.esbuild);
  for (const command of plan.commands) await link(esbuild, command);
  await esbuild.stop();
} else {
  for (const { warm: one } of plan.commands) if (!(await warm(one))) console.error(`${one.argv[0]} did not answer as it should`);
  await open();
}
