import assert from "node:assert/strict";
import { test } from "node:test";
import { AgentOs, InvalidScheduleError, PastScheduleError, type ScheduleDriver, type ScheduleEntry, TimerScheduleDriver } from "@agentos/core";
import { deferred, failsWith } from "./support.js";

/** A timer that fires when it is told to. */
class ManualDriver implements ScheduleDriver<ScheduleEntry> {
  readonly entries = new Set<ScheduleEntry>();
  disposed = false;
  schedule(entry: ScheduleEntry) {
    this.entries.add(entry);
    return entry;
  }
  cancel(entry: ScheduleEntry) {
    this.entries.delete(entry);
  }
  dispose() {
    this.disposed = true;
  }
  fire(id: string) {
    const entry = [...this.entries].find((one) => one.id === id);
    assert.ok(entry, `${id} is not scheduled`);
    this.entries.delete(entry);
    entry.run();
  }
}

test("jobs run commands and callbacks, and tell of it", async () => {
  const driver = new ManualDriver();
  const vm = await AgentOs.create({ software: ["common"], scheduleDriver: driver });
  const events: string[] = [];
  const { promise: done, resolve } = deferred<void>();
  vm.onCronEvent((event) => {
    events.push(`${event.jobId} ${event.type}`);
    if (event.type === "cron:error") resolve();
  });
  const job = vm.scheduleCron({ id: "fn", schedule: "*/5 * * * *", action: { type: "callback", fn: () => {} } });
  assert.equal(job.id, "fn");
  vm.scheduleCron({ id: "cmd", schedule: "0 3 * * mon-fri", timezone: "Europe/Berlin", action: { type: "exec", command: "echo ran > /tmp/ran; exit 2" } });
  assert.deepEqual(vm.listCronJobs().map((one) => [one.id, one.overlap, one.running]), [["fn", "allow", false], ["cmd", "allow", false]]);
  driver.fire("fn");
  while (vm.listCronJobs().some(({ running }) => running)) await new Promise((resolve) => setImmediate(resolve));
  driver.fire("cmd");
  await done;
  assert.equal((await vm.exec("cat /tmp/ran")).stdout, "ran\n");
  assert.deepEqual(events, ["fn cron:fire", "fn cron:complete", "cmd cron:fire", "cmd cron:error"]);
  job.cancel();
  vm.cancelCronJob("unknown");
  assert.deepEqual(vm.listCronJobs().map((one) => [one.id, one.runCount]), [["cmd", 1]]);
  await vm.dispose();
  assert.equal(driver.disposed, true);
  assert.equal(driver.entries.size, 0);
});

test("overlapping runs are allowed, skipped or queued", async () => {
  const driver = new ManualDriver();
  const vm = await AgentOs.create({ scheduleDriver: driver });
  for (const [overlap, wanted] of [["allow", 3], ["skip", 1], ["queue", 3]] as const) {
    const gate = deferred<void>();
    let runs = 0;
    vm.scheduleCron({ id: overlap, schedule: "* * * * *", overlap, action: { type: "callback", fn: () => ((runs += 1), gate.promise) } });
    for (let i = 0; i < 3; i++) driver.fire(overlap);
    assert.equal(vm.listCronJobs().find(({ id }) => id === overlap)?.queued, overlap === "queue" ? 2 : 0);
    gate.resolve();
    while (vm.listCronJobs().some(({ running }) => running)) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(runs, wanted, overlap);
  }
  await vm.dispose();
});

test("a single time is over after its run", async () => {
  const vm = await AgentOs.create();
  const { promise, resolve } = deferred<void>();
  const schedule = new Date(Date.now() + 1000).toISOString();
  vm.scheduleCron({ schedule, action: { type: "callback", fn: () => resolve() } });
  await promise;
  while (vm.listCronJobs().length > 0) await new Promise((done) => setImmediate(done));
  await vm.dispose();
});

test("wrong jobs are refused", async () => {
  const vm = await AgentOs.create();
  const action = { type: "callback", fn: () => {} } as const;
  assert.throws(() => vm.scheduleCron({ schedule: "61 * * * *", action }), InvalidScheduleError);
  assert.throws(() => vm.scheduleCron({ schedule: "* * * * *", timezone: "Mars/Base", action }), InvalidScheduleError);
  assert.throws(() => vm.scheduleCron({ schedule: "1999-01-01T00:00:00Z", action }), PastScheduleError);
  await failsWith(() => vm.scheduleCron({ schedule: "* * * * *", action: { type: "shell" } as never }), "invalid_config");
  vm.scheduleCron({ id: "a", schedule: "* * * * *", action });
  await failsWith(() => vm.scheduleCron({ id: "a", schedule: "* * * * *", action }), "cron_job_exists");
  vm.cancelCronJob("a");
  await vm.dispose();
  const driver = new TimerScheduleDriver();
  driver.cancel(driver.schedule({ id: "x", at: Date.now() + 2 ** 40, run: () => assert.fail() }));
  driver.schedule({ id: "y", at: Date.now() + 2 ** 40, run: () => assert.fail() });
  driver.dispose();
});
