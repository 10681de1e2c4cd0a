// Paths, and the directory that they start from.
const path = require('path');
console.log(path.resolve('x/../y'), path.relative('/a/b/c', '/a/d'), path.join('a', '..', '..', 'b'));
console.log(path.parse('/x/y.tar.gz'), path.format({ dir: '/q', base: 'z' }), path.isAbsolute('a'));
console.log(path.normalize('/a//b/./c/..'), path.extname('.profile'), path.sep, path.delimiter);
require('fs').mkdirSync('sub');
process.chdir('sub');
console.log(path.resolve('.'), process.cwd());
