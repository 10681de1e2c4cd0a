/** What a backend is told, checked. */
import { ActorError } from "@agentos/core";

/** What requests are signed with. */
export interface S3Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/** Where the files are. */
export interface S3Config {
  bucket: string;
  /** Before the names of all objects; empty unless given. */
  prefix?: string;
  /** `us-east-1` unless given. */
  region?: string;
  /** `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` of the environment unless given. */
  credentials?: S3Credentials;
  /** The address of the service, for others than AWS; buckets are the first part of the path. */
  endpoint?: string;
  /** How long one request may take, in ms; 10000 unless given. */
  requestTimeoutMs?: number;
  /** How long changes may wait for more before they are sent, in ms; 200 unless given. */
  flushMs?: number;
}

/** All of it, with defaults. */
export interface Config {
  bucket: string;
  prefix: string;
  region: string;
  credentials: S3Credentials;
  endpoint: URL;
  requestTimeoutMs: number;
  flushMs: number;
}

const KNOWN = ["bucket", "prefix", "region", "credentials", "endpoint", "requestTimeoutMs", "flushMs"];

export function readConfig(config: S3Config): Config {
  if (typeof config !== "object" || config === null) throw wrong("config", "must be an object");
  for (const name of Object.keys(config)) if (!KNOWN.includes(name)) throw wrong(`config.${name}`, `unknown key, there are ${KNOWN.join(", ")}`);
  const { bucket, prefix = "", region = "us-east-1", requestTimeoutMs = 10_000, flushMs = 200 } = config;
  if (typeof bucket !== "string" || !/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(bucket)) throw wrong("config.bucket", "must be the name of a bucket");
  if (typeof prefix !== "string" || prefix.length > 512 || /[\0-\x1f]/.test(prefix)) throw wrong("config.prefix", "must be a string of at most 512 characters");
  if (typeof region !== "string" || !/^[a-z0-9-]+$/.test(region)) throw wrong("config.region", "must be the name of a region");
  for (const [name, value] of Object.entries({ requestTimeoutMs, flushMs })) {
    if (!Number.isInteger(value) || value < 0 || value > 2 ** 31 - 1) throw wrong(`config.${name}`, "must be a number of milliseconds");
  }
  return { bucket, prefix, region, credentials: credentials(config.credentials), endpoint: endpoint(config.endpoint, region), requestTimeoutMs, flushMs };
}

function endpoint(given: string | undefined, region: string): URL {
  const text = given ?? `https://s3.${region}.amazonaws.com`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== "" || url.username !== "") {
    throw wrong("config.endpoint", "must be an http or https URL without query and password");
  }
  return url;
}

function credentials(given: S3Credentials | undefined): S3Credentials {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env;
  const token = AWS_SESSION_TOKEN === undefined ? {} : { sessionToken: AWS_SESSION_TOKEN };
  const found = given ?? { accessKeyId: AWS_ACCESS_KEY_ID ?? "", secretAccessKey: AWS_SECRET_ACCESS_KEY ?? "", ...token };
  for (const name of ["accessKeyId", "secretAccessKey"] as const) {
    if (typeof found[name] !== "string" || found[name] === "") throw wrong(`config.credentials.${name}`, "is missing, and the environment has none either");
  }
  return found;
}

function wrong(path: string, expected: string): ActorError {
  return new ActorError("agentos", "invalid_config", `${path}: ${expected}`, { path, expected });
}
