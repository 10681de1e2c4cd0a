/**
 * Chains of host tools (api.md section 6): a program in a VM calls a tool, whose function runs a program in another VM, which calls a
 * tool. Each is right by itself; together they may go round for ever, with every VM waiting for the next. So a chain is at most
 * {@link VMS_MAX} VMs long.
 *
 * What a function does is known by where it was begun, as Node.js tracks it. Which of the calls into a VM a program belongs to is
 * not: a tool that a VM calls counts from the longest chain that is in that VM at the moment.
 */
import type { AsyncLocalStorage } from "node:async_hooks";
import { UserError } from "@agentos/client/errors";
import type { Hooks } from "./mounts.js";

/** VMs in a chain at most. */
const VMS_MAX = 8;

/** Where in a chain a function of a tool runs: the VM that called it is the one with this number, from 1. */
interface Link {
  depth: number;
  vm: Chains;
}

/** Made when the first tool is called: before, nothing can be in a chain, and Node.js needs memory to track what begins where. */
let link: AsyncLocalStorage<Link> | undefined;
let linking: Promise<AsyncLocalStorage<Link>> | undefined;

async function makeLink(): Promise<AsyncLocalStorage<Link>> {
  const { AsyncLocalStorage } = await import("node:async_hooks");
  return (link = new AsyncLocalStorage<Link>());
}

/** The chains that have entered one VM. */
export class Chains {
  /** How many are there by their lengths up to this VM. */
  readonly #inside = new Map<number, number>();

  /**
   * A call into the VM begins; gives what ends it, or nothing where no tool makes it.
   *
   * @throws UserError if the chain is too long, which the program that called the tool gets to know.
   */
  enter(): (() => void) | undefined {
    const from = link?.getStore();
    if (from === undefined) return undefined;
    const depth = from.depth + 1;
    // A tool may look after its own VM, where it is.
    if (from.vm !== this) check(depth);
    this.#count(depth, 1);
    let left = false;
    return () => {
      if (!left) this.#count(depth, -1);
      left = true;
    };
  }

  /** Runs the function of a tool that the VM calls. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const depth = Math.max(1, ...this.#inside.keys());
    check(depth);
    const links = link ?? (await (linking ??= makeLink()));
    return links.run({ depth, vm: this }, work);
  }

  #count(depth: number, by: 1 | -1): void {
    const count = (this.#inside.get(depth) ?? 0) + by;
    if (count > 0) this.#inside.set(depth, count);
    else this.#inside.delete(depth);
  }
}

function check(depth: number): void {
  if (depth <= VMS_MAX) return;
  const metadata = { limit: "chain of host tools", observed: depth, capacity: VMS_MAX, unit: "count" };
  throw new UserError(`a chain of host tools is at most ${VMS_MAX} VMs long, this is number ${depth}`, { code: "limit_exceeded", metadata });
}

const known = new WeakMap<Hooks, Chains>();

/** The chains of the VM whose functions these are. */
export function chainsOf(hooks: Hooks): Chains {
  const chains = known.get(hooks) ?? new Chains();
  known.set(hooks, chains);
  return chains;
}
