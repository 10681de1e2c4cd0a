// Hashes, keys, ciphers, randomness, in this thread and in the pool.
const crypto = require('crypto');
const { promisify } = require('util');
for (const name of ['md5', 'sha1', 'sha256', 'sha512', 'sha3-256', 'blake2b512']) console.log(name, crypto.createHash(name).update('text').digest('hex'));
console.log(crypto.createHmac('sha256', 'key').update('text').digest('base64'));
const key = Buffer.alloc(32, 1), iv = Buffer.alloc(12, 2);
const c = crypto.createCipheriv('aes-256-gcm', key, iv);
const sealed = Buffer.concat([c.update('secret'), c.final()]);
console.log(sealed.toString('hex'), c.getAuthTag().toString('hex'));
const d = crypto.createDecipheriv('aes-256-gcm', key, iv).setAuthTag(c.getAuthTag());
console.log(d.update(sealed, null, 'utf8') + d.final('utf8'));
console.log(crypto.randomBytes(16).length, crypto.randomUUID().length, crypto.randomInt(5) < 5);
console.log(crypto.randomBytes(16).equals(crypto.randomBytes(16)));
(async () => {
  console.log((await promisify(crypto.scrypt)('pw', 'salt', 32, { N: 1024 })).toString('hex'));
  console.log((await promisify(crypto.pbkdf2)('pw', 'salt', 1000, 32, 'sha256')).toString('hex'));
  const { publicKey, privateKey } = await promisify(crypto.generateKeyPair)('ec', { namedCurve: 'P-256' });
  const signature = crypto.sign('sha256', Buffer.from('data'), privateKey);
  console.log(crypto.verify('sha256', Buffer.from('data'), publicKey, signature), crypto.verify('sha256', Buffer.from('date'), publicKey, signature));
  const ed = crypto.generateKeyPairSync('ed25519');
  console.log(crypto.sign(null, Buffer.from('m'), ed.privateKey).length);
  console.log(Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from('text'))).toString('hex'));
  const a = crypto.createECDH('secp256k1'), b = crypto.createECDH('secp256k1');
  a.generateKeys(); b.generateKeys();
  console.log(a.computeSecret(b.getPublicKey()).equals(b.computeSecret(a.getPublicKey())));
  console.log(crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('a')), crypto.getCiphers().length > 50);
})();
