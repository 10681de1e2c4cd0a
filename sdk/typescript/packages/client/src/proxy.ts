/**
 * Objects whose methods are actions. Whatever the object does not have itself is an action of that name, and a name within
 * one is an action with a dot: `vm.policy.explain(...)` is `policy.explain`. The same name gives the same function, so that
 * it may be compared.
 */

/** Names that are never actions, because some object of this package has them, or `await` asks for them. */
export const RESERVED: ReadonlySet<string> = new Set([
  "action",
  "send",
  "connect",
  "fetch",
  "webSocket",
  "resolve",
  "reload",
  "getGatewayUrl",
  "on",
  "once",
  "dispose",
  "then",
]);

/** Runs an action. */
export type Invoke = (name: string, args: unknown[]) => Promise<unknown>;

/** The object, with actions for whatever it does not have. */
export function withActions<T extends object>(members: T, invoke: Invoke): T {
  const actions = actionsOf("", invoke);
  return new Proxy(members, {
    get(target, property) {
      if (typeof property === "symbol" || property in target) return Reflect.get(target, property, target) as unknown;
      return RESERVED.has(property) ? undefined : actions(property);
    },
  });
}

function actionsOf(prefix: string, invoke: Invoke): (name: string) => unknown {
  const known = new Map<string, unknown>();
  return (name) => {
    let action = known.get(name);
    if (!action) {
      action = actionOf(prefix + name, invoke);
      known.set(name, action);
    }
    return action;
  };
}

function actionOf(name: string, invoke: Invoke): unknown {
  const within = actionsOf(`${name}.`, invoke);
  return new Proxy((...args: unknown[]) => invoke(name, args), {
    get(target, property) {
      if (typeof property === "symbol" || property in target) return Reflect.get(target, property, target) as unknown;
      return property === "then" ? undefined : within(property);
    },
  });
}
