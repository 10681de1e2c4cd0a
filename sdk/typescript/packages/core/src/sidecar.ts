/**
 * Sidecars: in the original a process that hosts VMs, here only a group of VMs in this process that are disposed together
 * (api.md section 10). There is no second process, so `AGENT_OS_SIDECAR_BIN` has nothing to override.
 */
import * as check from "./check.js";
import { invalidConfig } from "./errors.js";

/** What a sidecar tells of itself. */
export interface SidecarDescription {
  sidecarId: string;
  placement: { kind: "shared"; pool: string } | { kind: "explicit"; sidecarId: string };
  state: "ready" | "disposing" | "disposed";
  activeVmCount: number;
}

/** Anything that can be disposed. */
interface Disposable {
  dispose(): Promise<void>;
}

let created = 0;
const pools = new Map<string, Sidecar>();

/** A group of VMs. */
export class Sidecar {
  readonly #placement: SidecarDescription["placement"];
  /** A VM whose handle is lost is not kept by its group. */
  readonly #vms = new Set<WeakRef<Disposable>>();
  readonly #id: string;
  #state: SidecarDescription["state"] = "ready";
  #end: Promise<void> | undefined;

  /** @internal */
  constructor(id: string, placement: SidecarDescription["placement"]) {
    this.#id = id;
    this.#placement = placement;
  }

  /** How it is. */
  describe(): SidecarDescription {
    return { sidecarId: this.#id, placement: this.#placement, state: this.#state, activeVmCount: this.#alive().length };
  }

  /** Disposes its VMs; all of them, whatever goes wrong with some. Idempotent. */
  dispose(): Promise<void> {
    return (this.#end ??= this.#dispose());
  }

  async #dispose(): Promise<void> {
    this.#state = "disposing";
    if (this.#placement.kind === "shared") pools.delete(this.#placement.pool);
    const ends = await Promise.allSettled(this.#alive().map((vm) => vm.dispose()));
    this.#state = "disposed";
    const errors = ends.flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));
    if (errors.length > 0) throw new AggregateError(errors, `${errors.length} VMs could not be disposed`);
  }

  #alive(): Disposable[] {
    return [...this.#vms].flatMap((vm) => vm.deref() ?? []);
  }

  /** @internal Gives what {@link remove} takes. */
  add(vm: Disposable): WeakRef<Disposable> {
    const member = new WeakRef(vm);
    this.#vms.add(member);
    return member;
  }

  /** @internal */
  remove(member: WeakRef<Disposable>): void {
    this.#vms.delete(member);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

/** A new sidecar. */
export function createSidecar(options: { sidecarId?: string } = {}): Sidecar {
  const given = check.object("options", options);
  check.known("options", given, ["sidecarId"]);
  if (given["sidecarId"] !== undefined) check.text("options.sidecarId", given["sidecarId"]);
  created += 1;
  const id = options.sidecarId ?? `sidecar-${created}`;
  return new Sidecar(id, { kind: "explicit", sidecarId: id });
}

/** The sidecar of a pool, the same one for everybody until it is disposed. */
export function sharedSidecar(options: { pool?: string } = {}): Sidecar {
  const given = check.object("options", options);
  check.known("options", given, ["pool"]);
  const pool = given["pool"] === undefined ? "default" : check.text("options.pool", given["pool"]);
  let sidecar = pools.get(pool);
  if (sidecar === undefined) {
    sidecar = new Sidecar(`agent-os-shared-sidecar:${pool}`, { kind: "shared", pool });
    pools.set(pool, sidecar);
  }
  return sidecar;
}

/** The sidecar that `options.sidecar` names. */
export function ownerOf(given: unknown): Sidecar {
  if (given === undefined) return sharedSidecar();
  const members = check.object("sidecar", given);
  const kind = check.word("sidecar.kind", members["kind"], ["shared", "explicit"]);
  check.known("sidecar", members, kind === "shared" ? ["kind", "pool"] : ["kind", "handle"]);
  if (kind === "shared") {
    const pool = members["pool"];
    return sharedSidecar(pool === undefined ? {} : { pool: check.text("sidecar.pool", pool) });
  }
  const handle = members["handle"];
  if (!(handle instanceof Sidecar)) throw invalidConfig("sidecar.handle", "must be made by AgentOs.createSidecar()");
  if (handle.describe().state !== "ready") throw invalidConfig("sidecar.handle", "must not be disposed");
  return handle;
}
