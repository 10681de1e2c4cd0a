// needs: node
// Watching a directory and a file: by name, through one process's changes and a child's.
const fs = require('fs'), path = require('path'), { execFileSync } = require('child_process');
fs.mkdirSync('watched');
fs.writeFileSync('watched/old', 'x');
const seen = new Map();
const watchers = ['watched', 'watched/old'].map((at) => fs.watch(at, (kind, name) => {
  if (!seen.has(at)) seen.set(at, new Set());
  seen.get(at).add(`${kind} ${name}`);
  if (name === 'end') finish();
}));
watchers[0].once('close', () => console.log('closed'));
fs.writeFileSync('watched/new', 'y');
fs.renameSync('watched/new', 'watched/moved');
execFileSync('/bin/sh', ['-c', 'echo more >> watched/old; rm watched/moved; : > watched/end']);
let over = false;
function finish() {
  if (over) return;
  over = true;
  for (const [at, events] of [...seen].sort()) console.log(at, [...events].sort().join(', '));
  for (const watcher of watchers) watcher.close();
  try { fs.watch('none'); } catch (error) { console.log(error.code, error.syscall); }
}
