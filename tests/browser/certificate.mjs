// A certificate for 127.0.0.1 that signs itself, made without tools: a page's server must speak TLS for HTTP/2.
import { createSign, generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** One DER value. */
function der(tag, ...parts) {
  const body = Buffer.concat(parts);
  const long = body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 255];
  const length = body.length < 128 ? [body.length] : long;
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const sequence = (...parts) => der(0x30, ...parts);
const bytes = (...numbers) => Buffer.from(numbers);
const time = (date) => der(0x17, Buffer.from(date.toISOString().replace(/[-:T]/g, "").slice(2, 14) + "Z"));
const ECDSA_SHA256 = sequence(der(0x06, bytes(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)));
const COMMON_NAME = der(0x06, bytes(0x55, 0x04, 0x03));
const ALTERNATIVE_NAMES = der(0x06, bytes(0x55, 0x1d, 0x11));

/** Writes certificate and key into a directory; returns the lines of the table `tls`. */
export function certificate(directory) {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from("agentos browser test")))));
  const day = 24 * 3600 * 1000;
  const validity = sequence(time(new Date(Date.now() - day)), time(new Date(Date.now() + 30 * day)));
  const names = sequence(der(0x87, bytes(127, 0, 0, 1)), der(0x82, Buffer.from("localhost")));
  const extensions = der(0xa3, sequence(sequence(ALTERNATIVE_NAMES, der(0x04, names))));
  const key = publicKey.export({ type: "spki", format: "der" });
  const version = der(0xa0, der(0x02, bytes(2)));
  const signed = sequence(version, der(0x02, bytes(1)), ECDSA_SHA256, name, validity, name, key, extensions);
  const signature = createSign("SHA256").update(signed).sign(privateKey);
  const whole = sequence(signed, ECDSA_SHA256, der(0x03, bytes(0), signature));
  const pem = `-----BEGIN CERTIFICATE-----\n${whole.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
  const [certificateFile, keyFile] = ["cert.pem", "key.pem"].map((file) => join(directory, file));
  writeFileSync(certificateFile, pem);
  writeFileSync(keyFile, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  return `certFile = ${JSON.stringify(certificateFile)}\nkeyFile = ${JSON.stringify(keyFile)}\n`;
}
