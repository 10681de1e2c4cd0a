/**
 * Checking options that only this side knows: functions, descriptors, drivers. What is plain data the addon checks, with
 * the same words and the same paths.
 */
import { describe, invalidConfig } from "./errors.js";

/** An object whose members are options. */
export function object(path: string, value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalidConfig(path, "must be an object", describe(value));
}

/** An array. */
export function array(path: string, value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw invalidConfig(path, "must be an array", describe(value));
}

/** A string. */
export function text(path: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw invalidConfig(path, "must be a string", describe(value));
}

/** A boolean. */
export function flag(path: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw invalidConfig(path, "must be a boolean", describe(value));
}

/** A function. */
export function callable(path: string, value: unknown): (...args: never[]) => unknown {
  if (typeof value === "function") return value as (...args: never[]) => unknown;
  throw invalidConfig(path, "must be a function", describe(value));
}

/** A whole number within bounds. */
export function integer(path: string, value: unknown, min: number, max: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalidConfig(path, `must be an integer between ${min} and ${max}`, describe(value));
}

/** One of some words. */
export function word<W extends string>(path: string, value: unknown, words: readonly W[]): W {
  if (words.includes(value as W)) return value as W;
  throw invalidConfig(path, `must be one of ${words.join(", ")}`, describe(value));
}

/** Refuses members that are not known, naming the known one that is spelled most like it. */
export function known(path: string, members: Record<string, unknown>, names: readonly string[]): void {
  for (const name of Object.keys(members)) {
    if (names.includes(name)) continue;
    const near = nearest(name, names);
    const hint = near === undefined ? "" : ` (did you mean ${near}?)`;
    throw invalidConfig(path === "" ? name : `${path}.${name}`, `unknown key${hint}`);
  }
}

/** The known name that is spelled most like a name, if one nearly is. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of names) {
    const distance = edits(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** Letters to insert, remove or replace to get from one word to the other. */
function edits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, replaced));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
