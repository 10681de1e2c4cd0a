/**
 * Access tokens. They come from the application, or from Google for a service account, which proves itself with a signed claim
 * (RFC 7523). No token and no key is part of any error here, nor is what an application's function throws: it may hold one.
 */
import { createSign } from "node:crypto";
import type { Config, GoogleCredentials } from "./config.js";

const SCOPE = "https://www.googleapis.com/auth/drive";
/** Seconds that a claim is good for, the most that Google takes. */
const CLAIM_SECONDS = 3600;
/** A token is not used in its last minute. */
const MARGIN_MS = 60_000;
/** Longest answer of the token endpoint, in bytes. */
const ANSWER_MAX = 64 << 10;

export class Tokens {
  readonly #config: Config;
  #known: { token: string; until: number } | undefined;

  constructor(config: Config) {
    this.#config = config;
  }

  /** A token to ask with. */
  async get(): Promise<string> {
    const { accessToken, credentials } = this.#config;
    if (this.#known !== undefined && Date.now() < this.#known.until) return this.#known.token;
    if (credentials !== undefined) this.#known = await this.#exchange(credentials);
    else this.#known = { token: await given(accessToken), until: Infinity };
    return this.#known.token;
  }

  /** Forgets a token that was refused; the next call gets another. */
  refused(token: string): void {
    if (this.#known?.token === token) this.#known = undefined;
  }

  async #exchange(credentials: GoogleCredentials): Promise<{ token: string; until: number }> {
    const { tokenEndpoint, requestTimeoutMs } = this.#config;
    const assertion = claim(credentials, tokenEndpoint.href);
    let answer: unknown;
    try {
      const response = await fetch(tokenEndpoint, {
        method: "POST",
        redirect: "error",
        signal: AbortSignal.timeout(requestTimeoutMs),
        body: new URLSearchParams({ grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion }),
      });
      if (!response.ok) throw denied(`the token endpoint answered ${response.status}`);
      const text = await response.text();
      answer = text.length > ANSWER_MAX ? undefined : JSON.parse(text);
    } catch (error) {
      throw (error as { code?: unknown }).code === "EACCES" ? error : denied("the token endpoint did not answer");
    }
    const { access_token: token, expires_in: seconds } = (answer ?? {}) as { access_token?: unknown; expires_in?: unknown };
    if (!isToken(token)) throw denied("the token endpoint gave no token");
    const lives = typeof seconds === "number" && seconds > 0 ? seconds * 1000 : CLAIM_SECONDS * 1000;
    return { token, until: Date.now() + Math.max(0, lives - MARGIN_MS) };
  }
}

async function given(accessToken: Config["accessToken"]): Promise<string> {
  let token: unknown;
  try {
    token = await accessToken?.();
  } catch {
    throw denied("the function accessToken failed");
  }
  if (!isToken(token)) throw denied("the function accessToken gave no token");
  return token;
}

/** A token that may stand in a header. */
function isToken(token: unknown): token is string {
  return typeof token === "string" && /^[\x21-\x7e]{1,8192}$/.test(token);
}

function claim({ clientEmail, privateKey }: GoogleCredentials, audience: string): string {
  const now = Math.floor(Date.now() / 1000);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "RS256", typ: "JWT" })}.${part({ iss: clientEmail, scope: SCOPE, aud: audience, iat: now, exp: now + CLAIM_SECONDS })}`;
  try {
    return `${text}.${createSign("RSA-SHA256").update(text).sign(privateKey, "base64url")}`;
  } catch {
    throw denied("the private key of the service account is no RSA key in PEM form");
  }
}

function denied(why: string): Error {
  return Object.assign(new Error(`EACCES: no access to Google Drive: ${why}`), { code: "EACCES" });
}
