// Pi in a terminal: a conversation from a file, in which there is code, is shown with its colours. What gives them is loaded when it is needed, once Pi is linked.
//
// usage: node colours.mjs AGENTOS
import { spawn } from 'node:child_process';

const [agentos] = process.argv.slice(2);
const LIMIT = Number(process.env.LIMIT ?? 60_000);
// Two words of it have a colour of their own.
const COLOURED = /\x1b\[38;[0-9;]+mconst\x1b\[39m answer = \x1b\[38;[0-9;]+m42\x1b\[39m;/;
const entries = [
  { type: 'session', version: 3, id: '11111111-1111-1111-1111-111111111111', timestamp: '2026-01-01T00:00:00.000Z', cwd: '/home/user' },
  {
    type: 'message', id: 'a1', parentId: null, timestamp: '2026-01-01T00:00:01.000Z',
    message: { role: 'user', content: [{ type: 'text', text: '```js\nconst answer = 42;\n```' }], timestamp: 1 },
  },
];
const session = Buffer.from(entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')).toString('base64');
const guest = `echo ${session} | base64 -d >said.jsonl && exec pi --session said.jsonl`;
const variables = '--env PI_OFFLINE=1 --env ANTHROPIC_API_KEY=none --env COLORTERM=truecolor --env TERM=xterm-256color';
const command = `stty rows 40 cols 100; exec '${agentos}' run --software pi ${variables} -c '${guest}'`;
const child = spawn('script', ['-qefc', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
let shown = '';
let seen = false;
const late = setTimeout(() => child.kill('SIGKILL'), LIMIT);
child.stdout.on('data', (data) => {
  shown += data;
  if (!seen && COLOURED.test(shown)) {
    seen = true;
    // The end of what is typed ends Pi.
    child.stdin.write('\x04');
  }
});
child.on('close', (code, signal) => {
  clearTimeout(late);
  if (seen && code === 0) return;
  process.stderr.write(`code in Pi's terminal: coloured ${seen}, ended with ${code ?? signal}\n${JSON.stringify(shown.slice(-3000))}\n`);
  process.exit(1);
});
