//! A client that uses two VMs and an actor of another kind, and writes down what it asked for.

use crate::keeper::Keeper;
use crate::ledger::{Facts, Ledger, State, Subject};
use agentos_server::actor::{Clock as _, ConnectRequest, Connection, CreateOptions, ManualClock, Outgoing, Transport};
use agentos_server::{ActorError, Registry, Value, VmDefinition};
use agentos_store_faults::Disk;
use agentos_value::Key;
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinHandle;

/// When the scenario begins.
pub(crate) const BEGIN_MS: u64 = 1_700_000_000_000;
/// When all that is scheduled once is long over, and nothing that is scheduled regularly is due.
pub(crate) const END_MS: u64 = BEGIN_MS + 6 * HOUR_MS;
const HOUR_MS: u64 = 3_600_000;
/// When the two jobs that run once are due: one while the VM is awake, one while it sleeps.
const FIRST_DUE: (&str, u64) = ("2023-11-15T00:13:20Z", BEGIN_MS + 2 * HOUR_MS);
const SECOND_DUE: (&str, u64) = ("2023-11-15T02:13:20Z", BEGIN_MS + 4 * HOUR_MS);
/// A call that takes longer than this is never answered.
const PATIENCE: Duration = Duration::from_secs(120);
/// So many errors, and the disk is mended: a server that lives on must find back.
const ENOUGH: usize = 3;

/// What the disk does to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// One step fails.
    Passing,
    /// All steps fail from some step on, until the disk is mended.
    Lasting,
}

/// The server with its client.
pub(crate) struct Player {
    registry: Option<Registry>,
    disk: Disk,
    clock: ManualClock,
    ledger: Ledger,
    failures: Vec<String>,
    trouble: Trouble,
    /// The connection on which events of the first VM arrive.
    events: Option<Connection>,
    pace: JoinHandle<()>,
}

/// A registry as all of these tests have it.
pub(crate) fn registry(directory: &Path, clock: &ManualClock, vfs: Option<&str>) -> Result<Registry, String> {
    let definition = VmDefinition::builder().idle_timeout(Duration::ZERO).build().unwrap();
    let mut builder = Registry::builder()
        .vm("vm", definition)
        .actor("keeper", Keeper)
        .clock(clock.clone())
        .data_dir(directory);
    if let Some(vfs) = vfs {
        builder = builder.sqlite_vfs(vfs);
    }
    builder.build().map_err(|error| error.to_string())
}

/// Lets the time of the server pass, a little faster than real time, so that nothing waits for it for ever.
fn pace(clock: ManualClock) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(2)).await;
            clock.advance(Duration::from_millis(10));
        }
    })
}

fn text(value: &serde_json::Value) -> Value {
    Value::from_serialize(value).unwrap()
}

impl Player {
    /// Starts the server; if that fails there is a player without one.
    pub(crate) fn new(directory: &Path, disk: &Disk, trouble: Trouble) -> Self {
        let clock = ManualClock::at(BEGIN_MS);
        let mut player = Self {
            registry: None,
            disk: disk.clone(),
            pace: pace(clock.clone()),
            clock: clock.clone(),
            ledger: Ledger::default(),
            failures: Vec::new(),
            trouble,
            events: None,
        };
        for _ in 0..=ENOUGH {
            match registry(directory, &clock, Some(disk.vfs())) {
                Ok(registry) => {
                    player.registry = Some(registry);
                    break;
                }
                Err(error) => player.failed("start", error),
            }
        }
        player
    }

    /// What failed, with what.
    pub(crate) fn failures(&self) -> &[String] {
        &self.failures
    }

    pub(crate) fn into_ledger(self) -> Ledger {
        self.pace.abort();
        self.ledger
    }

    fn failed(&mut self, what: &str, error: impl std::fmt::Display) {
        self.failures.push(format!("{what}: {error}"));
        if self.failures.len() == ENOUGH {
            self.disk.heal();
        }
    }

    /// The whole scenario. What fails is noted, and the rest is done all the same.
    pub(crate) async fn play(&mut self) {
        self.creation().await;
        self.writing().await;
        self.guests_writing().await;
        self.scheduling().await;
        self.sleeping().await;
        self.destroying().await;
    }

    /// Ends the server in order.
    pub(crate) async fn leave(&mut self) {
        self.events = None;
        if let Some(registry) = self.registry.take() {
            tokio::time::timeout(PATIENCE, registry.actors().drain())
                .await
                .expect("the server ends");
        }
    }

    async fn creation(&mut self) {
        self.write("a", "/home/user/first", "a first file").await;
        self.write("b", "/home/user/first", "of another VM").await;
        let kept = vec![(Subject::Kept("k"), State::content("1"))];
        self.ask("keeper", "a", "put", vec!["k".into(), "1".into()], kept).await;
    }

    async fn writing(&mut self) {
        self.write("a", "/home/user/first", "and its new content").await;
        self.write("a", "/home/user/long", &"0123456789abcdef".repeat(2500))
            .await;
        self.vm("a", "mkdir", vec!["/home/user/d".into()], vec![]).await;
        self.write("a", "/home/user/d/in", "in a directory").await;
        let moved = vec![
            (Subject::File("a", "/home/user/d/in"), State::Absent),
            (Subject::File("a", "/home/user/d/out"), State::content("in a directory")),
        ];
        let paths = vec!["/home/user/d/in".into(), "/home/user/d/out".into()];
        self.vm("a", "move", paths, moved).await;
        self.write("a", "/home/user/gone", "not for long").await;
        let gone = vec![(Subject::File("a", "/home/user/gone"), State::Absent)];
        self.vm("a", "deleteFile", vec!["/home/user/gone".into()], gone).await;
    }

    async fn guests_writing(&mut self) {
        let synced = "a file that a guest made durable\n".repeat(300);
        let file = Subject::File("a", "/home/user/synced");
        let facts = vec![
            (file.clone(), State::BeginningOf(synced.clone().into_bytes())),
            (file, State::Content(synced.into_bytes())),
        ];
        let script = "yes 'a file that a guest made durable' | head -n 300 | dd of=synced conv=fsync bs=4k 2>/dev/null";
        self.exec("a", script, facts).await;
        // Replaced by renaming: the old content or the new one, and the new one once it was made durable.
        self.write("a", "/home/user/replaced", "old").await;
        let replaced = || vec![(Subject::File("a", "/home/user/replaced"), State::content("new"))];
        self.ledger.ask(&self.disk, replaced());
        if !self.exec("a", "printf new > t && mv t replaced", vec![]).await {
            return;
        }
        self.exec("a", "sync", replaced()).await;
        let linked = vec![(Subject::File("a", "/home/user/link"), State::content("new"))];
        self.exec("a", "ln -s replaced link && chmod 600 replaced && sync", linked)
            .await;
    }

    async fn scheduling(&mut self) {
        self.schedule("yearly", "0 0 1 1 *", "true").await;
        self.schedule("cancelled", "0 0 1 1 *", "true").await;
        let gone = vec![(Subject::Job("a", "cancelled"), State::Absent)];
        self.vm("a", "cancelCronJob", vec!["cancelled".into()], gone).await;
        self.preview().await;
        let kept = vec![(Subject::Kept("k"), State::content("2"))];
        self.ask("keeper", "a", "put", vec!["k".into(), "2".into()], kept).await;
        self.fires("/home/user/ran-1", FIRST_DUE, "first", false).await;
    }

    async fn sleeping(&mut self) {
        self.vm("a", "sleepVm", vec![], vec![]).await;
        self.write("a", "/home/user/first", "written after a wake").await;
        self.fires("/home/user/ran-2", SECOND_DUE, "second", true).await;
        // What a guest writes and nobody makes durable is on disk when the VM sleeps; unless the disk takes nothing at all, and
        // then nobody waits for it who could be told.
        let lazy = Subject::File("a", "/home/user/lazy");
        let facts = vec![(lazy.clone(), State::content("")), (lazy, State::content("lazy"))];
        let asked = self.ledger.ask(&self.disk, facts);
        let wrote = self.exec("a", "printf lazy > lazy", vec![]).await;
        if self.vm("a", "sleepVm", vec![], vec![]).await
            && wrote
            && self.failures.is_empty()
            && self.trouble != Trouble::Lasting
        {
            Ledger::acknowledge(&self.disk, asked);
        }
    }

    async fn destroying(&mut self) {
        let gone = vec![
            (Subject::Vm("b"), State::Absent),
            (Subject::File("b", "/home/user/first"), State::Absent),
        ];
        self.vm("b", "destroyVm", vec![], gone).await;
        self.write("b", "/home/user/second", "of a new VM with the same key")
            .await;
    }

    /// A client's write.
    async fn write(&mut self, vm: &'static str, path: &'static str, content: &str) {
        let file = Subject::File(vm, path);
        // What is cut before it is written anew can be met on the way.
        let mut facts = vec![(file.clone(), State::content("")), (file, State::content(content))];
        facts.push((Subject::Vm(vm), State::Present));
        self.vm(vm, "writeFile", vec![path.into(), content.into()], facts).await;
    }

    /// A command that succeeds.
    async fn exec(&mut self, vm: &'static str, script: &str, facts: Facts) -> bool {
        let asked = self.ledger.ask(&self.disk, facts);
        let Some(result) = self.call("vm", vm, "exec", vec![script.into()]).await else {
            return false;
        };
        let succeeded = result.get("exitCode") == Some(&Value::Int(0));
        if succeeded {
            Ledger::acknowledge(&self.disk, asked);
        } else {
            self.failed(script, format!("{result:?}"));
        }
        succeeded
    }

    async fn schedule(&mut self, id: &'static str, schedule: &str, command: &str) -> bool {
        let action = json!({ "type": "exec", "command": command });
        let job = text(&json!({ "id": id, "schedule": schedule, "action": action }));
        let facts = match schedule.contains('*') {
            true => vec![(Subject::Job("a", id), State::Present)],
            // One that runs once is gone when it has.
            false => vec![],
        };
        self.vm("a", "scheduleCron", vec![job], facts).await
    }

    /// A job that runs once is scheduled, becomes due, and runs, while the VM sleeps at first or not.
    async fn fires(&mut self, path: &'static str, (due, due_ms): (&str, u64), id: &'static str, asleep: bool) {
        self.listen().await;
        let file = Subject::File("a", path);
        let facts = vec![(file.clone(), State::content("")), (file, State::content("ran\n"))];
        let asked = self.ledger.ask(&self.disk, facts);
        if !self.schedule(id, due, &format!("echo ran >> {path}")).await {
            return;
        }
        if asleep {
            self.vm("a", "sleepVm", vec![], vec![]).await;
        }
        let now = u64::try_from(self.clock.now_ms()).unwrap();
        self.clock
            .advance(Duration::from_millis(due_ms.saturating_sub(now) + 1000));
        match self.ends(id).await {
            Ok(true) => Ledger::acknowledge(&self.disk, asked),
            Ok(false) => {}
            Err(error) => self.failed(id, error),
        }
    }

    /// Wants the events of the first VM.
    async fn listen(&mut self) {
        if self.events.is_some() {
            return;
        }
        let Some(registry) = &self.registry else { return };
        let actors = registry.actors().clone();
        let made = actors
            .get_or_create("vm", &Key::new(["a"]), CreateOptions::default())
            .await;
        let connected = match made {
            Ok((info, _)) => actors.connect(&info.id, ConnectRequest::new(Transport::Socket)).await,
            Err(error) => Err(error),
        };
        match connected {
            Ok(connection) => {
                connection.subscribe("cronEvent", true).unwrap();
                self.events = Some(connection);
            }
            Err(error) => self.failed("connect", error),
        }
    }

    /// Waits for the end of a job's run; whether that was a good one.
    async fn ends(&self, id: &str) -> Result<bool, String> {
        let Some(events) = &self.events else { return Ok(false) };
        let ended = async {
            loop {
                match events.next().await {
                    Outgoing::Event(event) => {
                        let told = event.args.first().and_then(|payload| payload.get("event")).cloned();
                        let member = |name: &str| {
                            told.as_ref()
                                .and_then(|told| told.get(name)?.as_str().map(str::to_owned))
                        };
                        if member("jobId").as_deref() != Some(id) {
                            continue;
                        }
                        match member("type").as_deref() {
                            Some("cron:complete") => return Ok(true),
                            Some("cron:error") => return Err(member("error").unwrap_or_default()),
                            _ => {}
                        }
                    }
                    other => return Err(format!("{other:?}")),
                }
            }
        };
        // Where the disk failed there may be no event at all.
        let patience = if self.trouble != Trouble::None {
            Duration::from_secs(5)
        } else {
            PATIENCE
        };
        tokio::time::timeout(patience, ended).await.unwrap_or(Ok(false))
    }

    /// Makes a token, which is only known afterwards.
    async fn preview(&mut self) {
        let Some(made) = self
            .call("vm", "a", "createSignedPreviewUrl", vec![3000.into(), 86_400.into()])
            .await
        else {
            return;
        };
        let token = made.get("token").and_then(Value::as_str).unwrap().to_owned();
        let asked = self
            .ledger
            .ask(&self.disk, vec![(Subject::Preview("a", token), State::Present)]);
        Ledger::acknowledge(&self.disk, asked);
    }

    /// An action of a VM; whether it was acknowledged.
    async fn vm(&mut self, vm: &'static str, action: &str, args: Vec<Value>, facts: Facts) -> bool {
        self.ask("vm", vm, action, args, facts).await
    }

    async fn ask(&mut self, kind: &str, key: &str, action: &str, args: Vec<Value>, facts: Facts) -> bool {
        let asked = self.ledger.ask(&self.disk, facts);
        let answered = self.call(kind, key, action, args).await.is_some();
        if answered {
            Ledger::acknowledge(&self.disk, asked);
        }
        answered
    }

    /// Calls an action of an actor, which is made if it is not there.
    async fn call(&mut self, kind: &str, key: &str, action: &str, args: Vec<Value>) -> Option<Value> {
        let actors = self.registry.as_ref()?.actors().clone();
        let called = async {
            let (info, _) = actors
                .get_or_create(kind, &Key::new([key]), CreateOptions::default())
                .await?;
            actors
                .call(&info.id, ConnectRequest::new(Transport::Http), action, args)
                .await
        };
        let answer: Result<Value, ActorError> = tokio::time::timeout(PATIENCE, called)
            .await
            .unwrap_or_else(|_| panic!("{action} is never answered; so far {:?}", self.failures));
        match answer {
            Ok(value) => Some(value),
            Err(error) => {
                self.failed(action, format!("{}/{}: {}", error.group, error.code, error.message));
                None
            }
        }
    }
}
