/** The plain form of configuration: JSON in which `{"$kind": ...}` stands for what is no data. */

/** Deepest nesting that is written. */
const MAX_DEPTH = 64;

/** What is not data, by its name. The native side finds it where it does not belong and says so with the path. */
function kindOf(value: unknown): string | undefined {
  switch (typeof value) {
    case "function":
      return "a function";
    case "symbol":
      return "a symbol";
    case "bigint":
      return "a bigint";
    case "number":
      return Number.isFinite(value) ? undefined : `number ${value}`;
    default:
      return value instanceof Promise ? "a promise" : undefined;
  }
}

function plain(value: unknown, depth: number): unknown {
  const kind = kindOf(value) ?? (depth > MAX_DEPTH ? `nested deeper than ${MAX_DEPTH} levels` : undefined);
  if (kind !== undefined) return { $kind: kind };
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((item) => (item === undefined ? null : plain(item, depth + 1)));
  const described = (value as { toJSON?: unknown }).toJSON;
  if (typeof described === "function") return plain(described.call(value), depth + 1);
  const members: [string, unknown][] = [];
  for (const [name, member] of Object.entries(value)) {
    if (member !== undefined) members.push([name, plain(member, depth + 1)]);
  }
  return Object.fromEntries(members);
}

/** The JSON of a configuration. */
export function plainText(config: unknown): string {
  return JSON.stringify(plain(config, 0) ?? null);
}
