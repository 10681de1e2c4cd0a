//! `agentos serve` killed with SIGKILL at random moments, while clients write, put VMs to sleep, wake and destroy them and schedule:
//! a new process finds everything that was acknowledged, whole files, and nothing of what was destroyed.
//!
//! `AGENTOS_KILLS` says how often, `AGENTOS_FULL=1` very often; `AGENTOS_KILL_SEED` repeats the same choices.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/server.rs"]
mod server;

use agentos_client::{Client, Value};
use serde_json::json;
use server::{Server, agentos};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Clients, each with a VM of its own.
const CLIENTS: u64 = 3;
/// Files and jobs of each VM.
const NAMES: u64 = 4;
/// Actions that are answered before a kill, at least and at most.
const ANSWERED: (u64, u64) = (4, 60);
/// A call that takes longer than this is never answered.
const PATIENCE: Duration = Duration::from_secs(120);

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How something may be found: what was acknowledged last, and what was asked for since then. Nothing is there at first.
type Possible = Vec<Option<String>>;

/// What one client knows.
struct Known {
    key: String,
    random: Random,
    /// Content of files, and jobs, by their names.
    things: BTreeMap<String, Possible>,
    /// Ids of VMs whose destruction was acknowledged.
    destroyed: Vec<String>,
    turns: u64,
    /// Files that jobs append to, which run once each.
    once: Vec<String>,
}

/// One thing that a client does: what it changes, each in the order in which it may be met.
struct Act {
    changes: Vec<(String, Vec<Option<String>>)>,
}

impl Act {
    fn of(name: &str, met: &[Option<&str>]) -> Self {
        let met = met.iter().map(|state| state.map(str::to_owned)).collect();
        Self {
            changes: vec![(name.to_owned(), met)],
        }
    }
}

impl Known {
    fn new(client: u64, seed: u64) -> Self {
        Self {
            key: format!("c{client}"),
            random: Random(seed ^ (client << 32)),
            things: BTreeMap::new(),
            destroyed: Vec::new(),
            turns: 0,
            once: Vec::new(),
        }
    }

    /// Acts until the server goes away. Every answer is counted.
    async fn act(&mut self, client: &Client, answered: &AtomicU64) {
        while let Ok(()) = self.once(client).await {
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One random action; an error says that the server is gone.
    async fn once(&mut self, client: &Client) -> Result<(), String> {
        self.turns += 1;
        let vm = client.vm("vm").get_or_create([self.key.clone()]).await.map_err(gone)?;
        let (slot, turn) = (self.random.below(NAMES), self.turns);
        let path = format!("/home/user/f{slot}");
        match self.random.below(16) {
            0..=4 => {
                let content = format!("{turn} written by a client\n").repeat(1 + (turn % 5 * 60) as usize);
                let act = Act::of(&path, &[Some(""), Some(content.as_str())]);
                self.done(act, vm.write_file(path.clone(), content.clone())).await
            }
            5..=7 => {
                let content = format!("{turn} made durable by a guest");
                let act = Act::of(&path, &[Some(""), Some(content.as_str())]);
                let script = format!("printf '{content}' | dd of={path} conv=fsync 2>/dev/null");
                self.done(act, succeeds(vm.exec(script))).await
            }
            8 | 9 => {
                let act = Act::of(&path, &[None]);
                self.done(act, succeeds(vm.exec(format!("rm -f {path}; sync")))).await
            }
            10 => {
                let id = format!("j{slot}");
                let act = Act::of(&id, &[Some("0 0 1 1 *")]);
                let is_known = self.things.get(&id).is_some_and(|possible| *possible != [None]);
                match is_known {
                    // It may be there, and an id is given once.
                    true => Ok(()),
                    false => self.done(act, schedule(&vm, &id, "0 0 1 1 *", "true")).await,
                }
            }
            11 => {
                let id = format!("j{slot}");
                let act = Act::of(&id, &[None]);
                self.done(act, called(vm.call("cancelCronJob", &[Value::from(id.as_str())])))
                    .await
            }
            12 => {
                let (id, soon) = (format!("once-{turn}-{}", self.random.below(1 << 30)), in_a_moment());
                self.once.push(id.clone());
                let command = format!("echo {id} >> /home/user/ran");
                let scheduled = async {
                    match schedule(&vm, &id, &soon, &command).await {
                        // On a busy machine the moment may be over.
                        Err(error) if error.code() == Some("past_schedule") => Ok(()),
                        other => other,
                    }
                };
                self.done(Act { changes: Vec::new() }, scheduled).await
            }
            13 | 14 => self.done(Act { changes: Vec::new() }, vm.sleep()).await,
            _ => {
                let id = vm.id().to_owned();
                let changes = self.things.keys().map(|name| (name.clone(), vec![None])).collect();
                let destroyed = self.done(Act { changes }, called(vm.call("destroyVm", &[]))).await;
                if destroyed.is_ok() {
                    self.destroyed.push(id);
                    self.once.clear();
                }
                destroyed
            }
        }
    }

    /// Notes what may be found from now on, does it, and notes what must be found if it was acknowledged.
    async fn done<T>(
        &mut self,
        act: Act,
        doing: impl Future<Output = agentos_client::Result<T>>,
    ) -> Result<(), String> {
        for (name, met) in &act.changes {
            let possible = self.things.entry(name.clone()).or_insert_with(|| vec![None]);
            possible.extend(met.iter().cloned());
        }
        tokio::time::timeout(PATIENCE, doing)
            .await
            .expect("an answer or an end")
            .map_err(gone)?;
        for (name, met) in act.changes {
            self.things.insert(name, met.last().cloned().into_iter().collect());
        }
        Ok(())
    }

    /// Compares with what a new server has; what is found is what is known from now on.
    async fn check(&mut self, client: &Client, data: &Path) {
        let vm = client.vm("vm").get_or_create([self.key.clone()]).await.unwrap();
        let jobs = vm.call("listCronJobs", &[]).await.unwrap();
        for (name, possible) in &mut self.things {
            let found = match name.starts_with('/') {
                true => match vm.read_file(name.clone()).await {
                    Ok(content) => Some(String::from_utf8(content.to_vec()).unwrap()),
                    Err(error) => {
                        assert_eq!(error.code(), Some("ENOENT"), "{name}: {error}");
                        None
                    }
                },
                false => jobs
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|job| job.get("id").and_then(Value::as_str) == Some(name))
                    .map(|job| job.get("schedule").unwrap().as_str().unwrap().to_owned()),
            };
            let seed = (&self.key, self.turns);
            assert!(
                possible.contains(&found),
                "{name} of {seed:?} is {found:?}, not one of {possible:?}"
            );
            *possible = vec![found];
        }
        for id in &self.destroyed {
            assert!(!data.join("vms").join(id).exists(), "{id} was destroyed and has files");
        }
        let ran = vm.read_file("/home/user/ran").await.unwrap_or_default();
        let ran = String::from_utf8(ran.to_vec()).unwrap();
        for id in &self.once {
            assert!(
                ran.lines().filter(|line| line == id).count() <= 1,
                "{id} ran twice: {ran}"
            );
        }
    }
}

// Its shape is that which `map_err` asks for.
#[allow(clippy::needless_pass_by_value)]
fn gone(error: agentos_client::Error) -> String {
    match &error {
        // A killed server does not refuse anything.
        agentos_client::Error::Actor(_) => panic!("{error}"),
        _ => error.to_string(),
    }
}

async fn called(call: impl Future<Output = agentos_client::Result<Value>>) -> agentos_client::Result<()> {
    call.await.map(drop)
}

async fn succeeds(
    exec: impl IntoFuture<Output = agentos_client::Result<agentos_client::ExecOutput>>,
) -> agentos_client::Result<()> {
    let result = exec.await?;
    assert_eq!(result.exit_code, 0, "{result:?}");
    Ok(())
}

async fn schedule(vm: &agentos_client::Vm, id: &str, schedule: &str, command: &str) -> agentos_client::Result<()> {
    let action = json!({ "type": "exec", "command": command });
    let job = Value::from_serialize(&json!({ "id": id, "schedule": schedule, "action": action })).unwrap();
    called(vm.call("scheduleCron", &[job])).await
}

/// A time that comes while the clients act, or when the next server starts.
fn in_a_moment() -> String {
    let date = Command::new("date")
        .args(["-u", "-d", "+3 seconds", "+%FT%TZ"])
        .output()
        .unwrap();
    String::from_utf8(date.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_moment_loses_nothing_that_was_acknowledged() {
    let full = std::env::var_os("AGENTOS_FULL").is_some();
    let kills = number("AGENTOS_KILLS").unwrap_or(if full { 200 } else { 6 });
    let seed = number("AGENTOS_KILL_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("AGENTOS_KILL_SEED={seed}");
    let data = tempfile::tempdir().unwrap();
    let mut random = Random(seed);
    let mut clients: Vec<Known> = (0..CLIENTS).map(|client| Known::new(client, seed)).collect();
    let mut total = 0;
    for _ in 0..kills {
        let folder = data.path().to_owned();
        let server = tokio::task::spawn_blocking(move || Server::start(&folder, &[]))
            .await
            .unwrap();
        let (client, answered) = (server.client(), Arc::new(AtomicU64::new(0)));
        for known in &mut clients {
            known.check(&client, data.path()).await;
        }
        let enough = ANSWERED.0 + random.below(ANSWERED.1 - ANSWERED.0);
        let acting = clients.into_iter().map(|mut known| {
            let (client, answered) = (client.clone(), Arc::clone(&answered));
            tokio::spawn(async move {
                known.act(&client, &answered).await;
                known
            })
        });
        let acting: Vec<_> = acting.collect();
        // Whatever the others are doing when the last of these answers arrives.
        while answered.load(Ordering::Relaxed) < enough {
            tokio::task::yield_now().await;
        }
        tokio::task::spawn_blocking(move || server.end(rustix::process::Signal::KILL))
            .await
            .unwrap();
        clients = Vec::new();
        for task in acting {
            clients.push(task.await.unwrap());
        }
        total += answered.load(Ordering::Relaxed);
    }
    println!("{kills} kills, {total} answers");
    let sound = agentos().args(["store", "check"]).arg(data.path()).output().unwrap();
    assert!(sound.status.success(), "{sound:?}");
}
