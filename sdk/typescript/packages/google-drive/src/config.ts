/** What a backend is told, checked. */
import { ActorError } from "@agentos/core";

/** A service account: what is in the key file that Google gives for it. */
export interface GoogleCredentials {
  clientEmail: string;
  /** PEM. */
  privateKey: string;
}

/** Where the files are, and who asks for them. */
export interface GoogleDriveConfig {
  /** The folder that is the root of the mount: the last part of its address in a browser. `root` is the user's own. */
  folderId: string;
  /** Gives an access token; asked anew when one was refused. Either this or {@link credentials}. */
  accessToken?: () => string | Promise<string>;
  /** A service account that the folder is shared with. */
  credentials?: GoogleCredentials;
  /** How long one request may take, in ms; 30000 unless given. */
  requestTimeoutMs?: number;
  /** How long changes of a file may wait for more before they are uploaded, in ms; 200 unless given. */
  flushMs?: number;
  /** How long a folder is believed to be as it was listed, in ms; 2000 unless given. */
  listMs?: number;
  /** Largest file that may be changed, in bytes; 64 MiB unless given. */
  maxFileBytes?: number;
  /** Removes for good what programs remove; it goes to the bin otherwise. */
  permanent?: boolean;
  /** Where the interface is, for tests and proxies: `https://www.googleapis.com` unless given. */
  endpoint?: string;
  /** Where service accounts get tokens: `https://oauth2.googleapis.com/token` unless given. */
  tokenEndpoint?: string;
}

/** All of it, with defaults. */
export interface Config extends Required<Omit<GoogleDriveConfig, "accessToken" | "credentials" | "endpoint" | "tokenEndpoint">> {
  accessToken: (() => string | Promise<string>) | undefined;
  credentials: GoogleCredentials | undefined;
  endpoint: URL;
  tokenEndpoint: URL;
}

const KNOWN = [
  "folderId", "accessToken", "credentials", "requestTimeoutMs", "flushMs", "listMs", "maxFileBytes", "permanent", "endpoint", "tokenEndpoint",
];

export function readConfig(config: GoogleDriveConfig): Config {
  if (typeof config !== "object" || config === null) throw wrong("config", "must be an object");
  for (const name of Object.keys(config)) if (!KNOWN.includes(name)) throw wrong(`config.${name}`, `unknown key, there are ${KNOWN.join(", ")}`);
  const { folderId, accessToken, requestTimeoutMs = 30_000, flushMs = 200, listMs = 2_000, maxFileBytes = 64 << 20, permanent = false } = config;
  if (typeof folderId !== "string" || !/^[A-Za-z0-9_-]{1,128}$/.test(folderId)) throw wrong("config.folderId", "must be the id of a folder");
  if (accessToken !== undefined && typeof accessToken !== "function") throw wrong("config.accessToken", "must be a function that gives a token");
  if ((accessToken === undefined) === (config.credentials === undefined)) throw wrong("config", "must have exactly one of accessToken and credentials");
  for (const [name, value] of Object.entries({ requestTimeoutMs, flushMs, listMs, maxFileBytes })) {
    if (!Number.isInteger(value) || value < 0 || value > 2 ** 31 - 1) throw wrong(`config.${name}`, "must be a whole number from 0 to 2147483647");
  }
  if (typeof permanent !== "boolean") throw wrong("config.permanent", "must be true or false");
  return {
    folderId, accessToken, requestTimeoutMs, flushMs, listMs, maxFileBytes, permanent,
    credentials: credentials(config.credentials),
    endpoint: url("config.endpoint", config.endpoint ?? "https://www.googleapis.com"),
    tokenEndpoint: url("config.tokenEndpoint", config.tokenEndpoint ?? "https://oauth2.googleapis.com/token"),
  };
}

function credentials(given: GoogleCredentials | undefined): GoogleCredentials | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== "object" || given === null) throw wrong("config.credentials", "must be an object");
  for (const name of ["clientEmail", "privateKey"] as const) {
    if (typeof given[name] !== "string" || given[name] === "") throw wrong(`config.credentials.${name}`, "must be a string");
  }
  return { clientEmail: given.clientEmail, privateKey: given.privateKey };
}

function url(path: string, text: string): URL {
  const found = typeof text === "string" && URL.canParse(text) ? new URL(text) : undefined;
  if (found === undefined || !/^https?:$/.test(found.protocol) || found.search !== "" || found.username !== "") {
    throw wrong(path, "must be an http or https URL without query and password");
  }
  return found;
}

/** The value is never part of the message: it may be a secret in the wrong place. */
function wrong(path: string, expected: string): ActorError {
  return new ActorError("agentos", "invalid_config", `${path}: ${expected}`, { path, expected });
}
