//! `agents_pi_*`: sessions of the real Pi of npm, from the store of this user: what one costs to begin, with and without parked
//! processes, how late its events are heard, and what many idle ones take.
//!
//! Everything is real but the model, which follows a script: the one of `agentos chat --scripted`, over the loopback. Where Pi is not in the store
//! it is added, which needs the registry; `--no-npm` leaves that out, and these rows with it.

use super::Scale;
use super::linux::processors;
use super::memory::resident;
use super::row::Row;
use crate::chat::provider::Model;
use crate::error::Error;
use agentos::store::{Package, Spec};
use agentos::{AgentOs, AgentSpec, Session, park_node, parked_node};
use agentos_model::{ModelServer, Script};
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The names of [`rows`].
pub(super) const NAMES: &[&str] = &[
    "agents_pi_create",
    "agents_pi_parked",
    "agents_pi_event",
    "agents_pi_prompt",
    "agents_pi_idle",
    "agents_pi_idle_bytes",
    "agents_pi_create_cpus",
];

/// Goals of the beginning of a session, and of an event, in us.
const CREATE_MOST: f64 = 400_000.0;
const PARKED_MOST: f64 = 150_000.0;
const EVENT_MOST: f64 = 1000.0;
/// How long what is parked is waited for.
const PARK_MOST: Duration = Duration::from_secs(60);
/// Processes that are parked: those of one session for a VM that comes, and of one that is on its way.
const PARKED: usize = 4;
/// Processes of one session, which are parked together: the adapter's and Pi's.
const TOGETHER: usize = 2;
/// Processors of a VM that is not told otherwise.
const ONE: u64 = 1;
/// Idle sessions, each in a VM of its own.
const IDLE: usize = 50;

/// One answer, whatever is asked.
const SCRIPT: &str = r#"{ "turns": [{ "say": [{ "text": "It is done." }] }] }"#;

/// Writes the time into each message, at the moment at which the adapter writes that.
const STAMP: &str = r#"
const { stdout } = process;
const write = stdout.write;
stdout.write = (chunk, ...rest) => {
  const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
  const kind = '"sessionUpdate":"agent_message_chunk"';
  const now = performance.timeOrigin + performance.now();
  return write.call(stdout, text.replaceAll(kind, kind + ',"_meta":{"writtenAt":' + now + '}'), ...rest);
};
"#;
const STAMP_PATH: &str = "/home/user/stamp.cjs";

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Usage(format!("bench: {error}"))
}

/// All rows.
pub(super) async fn rows(scale: Scale) -> Result<Vec<Row>, Error> {
    let package = match package(scale) {
        Ok(package) => package,
        Err(why) => {
            return Ok(NAMES
                .iter()
                .map(|name| Row::not_run(name, "us", why.as_str()))
                .collect());
        }
    };
    let server = ModelServer::builder(Script::from_json(SCRIPT)?).start().await?;
    let world = World {
        package,
        port: server.port(),
        model: Model::Scripted(server),
    };
    let fresh = world.fresh(scale, ONE).await?;
    let parked = match world.parked(scale).await {
        Ok(times) => Row::times(NAMES[1], &times).against("fresh", &fresh).goal(PARKED_MOST),
        Err(error) => Row::not_run(NAMES[1], "us", error.to_string()),
    };
    let mut rows = vec![Row::times(NAMES[0], &fresh).goal(CREATE_MOST), parked];
    rows.extend(world.events(scale).await?);
    rows.extend(world.idle(scale).await?);
    let wide = world.fresh(scale, processors()).await?;
    rows.push(Row::times(NAMES[6], &wide).against("one processor", &fresh));
    Ok(rows)
}

/// Pi, from the store or into it; made anew where an older version has added it.
fn package(scale: Scale) -> Result<Package, String> {
    let store = crate::software::user_store().map_err(|error| error.to_string())?;
    match (store.get("pi"), scale.npm) {
        (Ok(package), false) => Ok(package),
        (Err(error), false) => Err(error.to_string()),
        (_, true) => store
            .add(&"pi".parse::<Spec>().map_err(|error| error.to_string())?, &())
            .map_err(|error| error.to_string()),
    }
}

struct World {
    package: Package,
    port: u16,
    model: Model,
}

impl World {
    /// A VM that has Pi and its model; `agent` in the place of what the package declares.
    async fn vm(&self, agent: Option<AgentSpec>, processors: u64) -> Result<AgentOs, Error> {
        let mut limits = agentos::Limits::default();
        limits.cpu_count = processors;
        let mut builder = AgentOs::builder()
            .limits(limits)
            .package(self.package.clone())
            .loopback_exempt_ports([self.port])
            .env("PI_OFFLINE", "1");
        if let Some(agent) = agent {
            builder = builder.agent(agent);
        }
        let vm = builder.create().await?;
        for (name, content) in self.model.files("pi") {
            let path = format!("/home/user/{name}");
            if let Some((folder, _)) = path.rsplit_once('/') {
                vm.mkdir_all(folder).await?;
            }
            vm.write_file(&path, content).await?;
        }
        Ok(vm)
    }

    async fn session(vm: &AgentOs) -> Result<Session, Error> {
        vm.session("pi").create().await.map_err(failed)
    }

    /// Beginnings in VMs that have run nothing, without parked processes.
    async fn fresh(&self, scale: Scale, processors: u64) -> Result<Vec<Duration>, Error> {
        let mut times = Vec::new();
        // The first one fills caches.
        for round in 0..=scale.of(20).max(5) {
            let vm = self.vm(None, processors).await?;
            let start = Instant::now();
            let session = Self::session(&vm).await?;
            if round > 0 {
                times.push(start.elapsed());
            }
            session.destroy().await.map_err(failed)?;
        }
        Ok(times)
    }

    /// The same with parked processes.
    async fn parked(&self, scale: Scale) -> Result<Vec<Duration>, Error> {
        park_node(PARKED);
        let times = self.parked_times(scale).await;
        park_node(0);
        times
    }

    async fn parked_times(&self, scale: Scale) -> Result<Vec<Duration>, Error> {
        let mut times = Vec::new();
        // The first one is what processes are parked after.
        for round in 0..=scale.of(20).max(5) {
            let vm = self.vm(None, ONE).await?;
            let before = parked_node().claimed;
            let start = Instant::now();
            let session = Self::session(&vm).await?;
            let took = start.elapsed();
            let claimed = parked_node().claimed - before;
            if round > 0 {
                times.push(took);
                if claimed < TOGETHER as u64 {
                    return Err(failed(format!("a session got {claimed} parked processes")));
                }
            }
            session.destroy().await.map_err(failed)?;
            drop(vm);
            settled().await?;
        }
        Ok(times)
    }

    /// `agents_pi_event` and `agents_pi_prompt`.
    async fn events(&self, scale: Scale) -> Result<Vec<Row>, Error> {
        let command = ["node", "--require", STAMP_PATH, "/usr/local/bin/pi-acp"];
        let vm = self
            .vm(Some(AgentSpec::new("pi", command).env("PI_OFFLINE", "1")), ONE)
            .await?;
        vm.write_file(STAMP_PATH, STAMP).await?;
        let session = Self::session(&vm).await?;
        let (mut prompts, mut events) = (Vec::new(), Vec::new());
        for _ in 0..scale.of(100) {
            let start = Instant::now();
            let hears = |event: &agentos::SessionEvent| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                if let Some(written) = event.event["params"]["update"]["_meta"]["writtenAt"].as_f64() {
                    events.push(((now.as_secs_f64() * 1e3 - written) * 1e3).max(0.0));
                }
            };
            let outcome = session.prompt("go").with_events(hears).await.map_err(failed)?;
            prompts.push(start.elapsed());
            if !outcome.text.contains("It is done.") {
                return Err(failed(format!("Pi said {:?}", outcome.text)));
            }
        }
        if events.len() < prompts.len() {
            return Err(failed("Pi's events have no time"));
        }
        Ok(vec![
            Row::new(NAMES[2], "us", events).goal(EVENT_MOST),
            Row::times(NAMES[3], &prompts),
        ])
    }

    /// Many sessions that live at once: how long each took, and what they take together, by session.
    async fn idle(&self, scale: Scale) -> Result<Vec<Row>, Error> {
        let count = scale.of(IDLE);
        let before = whole()?;
        let (mut live, mut times) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for _ in 0..count {
            let start = Instant::now();
            let vm = self.vm(None, ONE).await?;
            let session = Self::session(&vm).await?;
            times.push(start.elapsed());
            live.push((vm, session));
        }
        let took = (whole()? - before) / count as f64;
        for (_, session) in &live {
            session.prompt("go").await.map_err(failed)?;
        }
        Ok(vec![
            Row::times(NAMES[4], &times),
            Row::new(NAMES[5], "bytes", vec![took]),
        ])
    }
}

/// Waits until as many are parked as there will be.
async fn settled() -> Result<(), Error> {
    let start = Instant::now();
    loop {
        let stand = parked_node();
        if stand.parked >= TOGETHER && stand.booting == 0 {
            return Ok(());
        }
        if start.elapsed() > PARK_MOST {
            return Err(failed(format!("the processes of a session were not parked: {stand:?}")));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Memory of this process and of all that descend from it: pages that others have too by share.
fn whole() -> Result<f64, Error> {
    let mut parents: HashMap<String, String> = HashMap::new();
    for entry in std::fs::read_dir("/proc").map_err(Error::host("/proc"))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        if let Some(parent) = status.lines().find_map(|line| line.strip_prefix("PPid:")) {
            parents.insert(name, parent.trim().to_owned());
        }
    }
    let own = std::process::id().to_string();
    let descends = |pid: &String| {
        let mut at = pid;
        // A chain of parents that changes meanwhile may have no end.
        for _ in 0..parents.len() {
            match parents.get(at) {
                Some(parent) if *parent == own => return true,
                Some(parent) => at = parent,
                None => return false,
            }
        }
        false
    };
    let guests = parents.keys().filter(|pid| descends(pid));
    // One that has just ended has no memory.
    let guests: f64 = guests
        .filter_map(|pid| resident(pid).ok())
        .filter(|size| size.is_finite())
        .sum();
    Ok(resident("self")? + guests)
}
