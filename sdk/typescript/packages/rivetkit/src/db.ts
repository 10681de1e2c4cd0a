/** Databases of the application's own: what `rivetkit/db` exports. */

/** What a statement may be given. */
export type SqlValue = string | number | bigint | boolean | null | Uint8Array;

/** A row by the names of its columns. */
export type Row = Record<string, unknown>;

/** The database of one VM. */
export interface Database {
  /** Runs a statement and gives its rows. */
  execute(sql: string, ...args: SqlValue[]): Promise<Row[]>;
}

/** What `db` gives and `agentOs({ db })` takes. */
export interface DatabaseProvider {
  /** Only a mark. */
  readonly kind: "sqlite";
}

/**
 * A SQLite database for each VM or actor, in a file of its own, which outlives sleep. Statements run one at a time, off the
 * JavaScript thread; time, results and size are bounded (`limits.sqlite`).
 */
export function db(_options: Record<string, never> = {}): DatabaseProvider {
  return { kind: "sqlite" };
}
