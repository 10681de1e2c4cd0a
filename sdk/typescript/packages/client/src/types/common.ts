/** Shapes that several groups of actions share. */

/** The value of an environment variable: text, or a reference to a secret of the server. */
export type EnvValue = string | { secret: string };

/** What every call may be given along with its own options. */
export interface CallOptions {
  /** Gives the call up: it rejects with the signal's reason. What has begun on the server is not undone. */
  signal?: AbortSignal;
}

/** The metadata of `limit_exceeded`. */
export interface LimitExceeded {
  /** Which limit. */
  limit: string;
  /** What was asked for or counted. */
  observed: number;
  /** What is allowed. */
  capacity: number;
  /** What is counted. */
  unit?: string;
  /** What was being done. */
  operation?: string;
  /** Where it is configured. */
  configurationPath?: string;
  /** What a program in the VM sees. */
  errno?: string | null;
}
