/** AWS Signature Version 4, for requests whose body is known. */
import { createHash, createHmac } from "node:crypto";
import type { S3Credentials } from "./config.js";

/** A request to sign. `path` is encoded already. */
export interface Unsigned {
  method: string;
  host: string;
  path: string;
  query: readonly (readonly [string, string])[];
  headers: Record<string, string>;
  payloadHash: string;
}

/** Headers with the signature. */
export function sign(request: Unsigned, credentials: S3Credentials, region: string, now: Date): Record<string, string> {
  const time = now.toISOString().replace(/[-:]|\.\d{3}/g, "");
  const day = time.slice(0, 8);
  const headers: Record<string, string> = {
    ...request.headers,
    host: request.host,
    "x-amz-content-sha256": request.payloadHash,
    "x-amz-date": time,
    ...(credentials.sessionToken === undefined ? {} : { "x-amz-security-token": credentials.sessionToken }),
  };
  const names = Object.keys(headers).sort();
  const query = request.query.map(([name, value]) => `${encode(name)}=${encode(value)}`).sort().join("&");
  const canonical = [
    request.method, request.path, query, ...names.map((name) => `${name}:${headers[name]?.trim()}`), "", names.join(";"), request.payloadHash,
  ].join("\n");
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", time, scope, sha256(canonical)].join("\n");
  const key = [day, region, "s3", "aws4_request"].reduce<string | Buffer>((key, part) => hmac(key, part), `AWS4${credentials.secretAccessKey}`);
  const signature = hmac(key, text).toString("hex");
  return {
    ...headers,
    authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope},SignedHeaders=${names.join(";")},Signature=${signature}`,
  };
}

/** SHA-256 in hexadecimal digits. */
export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** Encodes everything but unreserved characters. */
export function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
