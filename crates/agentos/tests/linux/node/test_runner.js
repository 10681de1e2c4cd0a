// `node --test` over files that pass and fail.
const fs = require('fs');
const { spawnSync } = require('child_process');
fs.writeFileSync('good.test.js', `const { test, describe, it, before, mock } = require('node:test'); const assert = require('assert');
describe('group', () => { before(() => {}); it('adds', () => assert.strictEqual(1 + 1, 2)); it('waits', async () => { await new Promise((r) => setTimeout(r, 1)); }); });
test('mocks', () => { const f = mock.fn(() => 3); f(); assert.strictEqual(f.mock.callCount(), 1); });
test('skipped', { skip: true }, () => {});`);
fs.writeFileSync('bad.test.js', `require('node:test')('fails', () => require('assert').strictEqual(1, 2));`);
for (const files of [['good.test.js'], ['good.test.js', 'bad.test.js']]) {
  const done = spawnSync(process.execPath, ['--test', '--test-reporter=tap', ...files], { encoding: 'utf8' });
  console.log(done.status, done.stdout.split('\n').filter((l) => /^# (tests|suites|pass|fail|skipped)|^(not )?ok/.test(l)).join('\n'));
}
