//! Install scripts of software, run in a VM (see [`store::ScriptRunner`]).
//!
//! The VM has the tree of the package, which belongs to its user, the bundled commands, and Node.js. It has no network
//! unless hosts are allowed, no mounts, and no variables of the host. Scripts run one after another as the VM's user, as npm
//! runs them: by a shell, in the directory of their package, with the commands of the packages around it. Then the VM's `tar`
//! packs what the tree is, and the VM is gone.

use crate::error::Result;
use crate::process::{Output, Stream};
use crate::tools::runtime;
use crate::vm::AgentOs;
use agentos_image::Image;
use agentos_software::store::{self, Package, Progress, Script, ScriptJob, Step};
use serde_json::json;
use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

/// Runs install scripts in a VM of their own; for [`store::Store::with_scripts`].
///
/// ```no_run
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use agentos::InstallScripts;
/// use agentos::store::Store;
/// use std::sync::Arc;
///
/// let runner = InstallScripts::new().allow_host("downloads.example.org");
/// let store = Store::user()?.with_scripts(["esbuild"], Arc::new(runner));
/// let package = store.add(&"npm:esbuild".parse()?, &())?;
/// assert_eq!(package.scripts(), ["esbuild"]);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct InstallScripts {
    hosts: Vec<String>,
}

/// Bytes of what a script wrote that its error shows.
const SHOWN: usize = 2048;
/// Where commands are, after those of packages.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Time to pack a tree.
const PACKING: Duration = Duration::from_secs(600);

impl InstallScripts {
    /// Scripts without any network.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets scripts reach a host (a pattern of the scope `network` of a policy, for example `*.example.com:443`). Addresses
    /// that no guest may reach stay out of reach.
    #[must_use]
    pub fn allow_host(mut self, pattern: impl Into<String>) -> Self {
        self.hosts.push(pattern.into());
        self
    }
}

impl store::ScriptRunner for InstallScripts {
    fn run(&self, job: &ScriptJob<'_>, archive: &mut (dyn Write + Send)) -> store::Result<()> {
        let node = (job.node)()?;
        let work = Work {
            hosts: &self.hosts,
            image: &job.image,
            home: &job.home,
            scripts: job.scripts,
            time: job.time,
            progress: job.progress,
            node,
        };
        let runtime = runtime().ok_or_else(|| failed(&job.home, "the host has no thread for their VM"))?;
        // On a thread of its own: whoever adds software may be a task of another runtime, which must not be blocked on.
        std::thread::scope(|scope| {
            let running = scope.spawn(|| runtime.block_on(work.run(archive)));
            let panicked = |_| Err(failed(&job.home, "their VM failed"));
            running.join().unwrap_or_else(panicked)
        })
    }
}

/// What is run, in the parts that another thread may have.
struct Work<'a> {
    hosts: &'a [String],
    image: &'a Image,
    home: &'a str,
    scripts: &'a [Script],
    time: Duration,
    progress: &'a dyn Progress,
    node: Option<Package>,
}

/// An error of the whole, not of a script.
fn failed(home: &str, reason: impl Into<String>) -> store::Error {
    store::Error::Script {
        package: home.rsplit('/').next().unwrap_or(home).to_owned(),
        event: "install".to_owned(),
        reason: reason.into(),
    }
}

impl Work<'_> {
    async fn run(&self, archive: &mut (dyn Write + Send)) -> store::Result<()> {
        let vm = self.vm().await;
        let vm = vm.map_err(|error| failed(self.home, format!("has no VM to run in: {error}")))?;
        let done = self.in_vm(&vm, archive).await;
        vm.dispose().await;
        done
    }

    async fn vm(&self) -> Result<AgentOs> {
        let policy = match self.hosts {
            [] => json!("locked"),
            hosts => {
                let rule = json!({"mode": "allow", "patterns": hosts});
                json!({"profile": "locked", "network": {"rules": [rule]}})
            }
        };
        let builder = AgentOs::builder().permissions(policy).image(self.image);
        builder.packages(self.node.clone()).create().await
    }

    async fn in_vm(&self, vm: &AgentOs, archive: &mut (dyn Write + Send)) -> store::Result<()> {
        for script in self.scripts {
            let text = format!("{}@{}: {} script", script.name, script.version, script.event);
            self.progress.report(&Step::Script { what: &text });
            self.script(vm, script).await?;
        }
        self.pack(vm, archive).await
    }

    async fn script(&self, vm: &AgentOs, script: &Script) -> store::Result<()> {
        let place = match script.path.as_str() {
            "" => self.home.to_owned(),
            path => format!("{}/{path}", self.home),
        };
        let mut run = vm.exec(&script.command).cwd(&place).timeout(self.time);
        for (name, value) in variables(script, &place) {
            run = run.env(name, value);
        }
        // Of what it writes the end says why it failed, and scripts may write much.
        let tail = std::sync::Arc::new(std::sync::Mutex::new(VecDeque::new()));
        let kept = std::sync::Arc::clone(&tail);
        let run = run.on_output(move |_, data| {
            if let Ok(mut kept) = kept.lock() {
                kept.extend(data);
                let over = kept.len().saturating_sub(SHOWN);
                kept.drain(..over);
            }
        });
        let refused = |reason: String| store::Error::Script {
            package: format!("{}@{}", script.name, script.version),
            event: script.event.clone(),
            reason,
        };
        let ended = run.await.map_err(|error| refused(format!("cannot be run: {error}")))?;
        if ended.timed_out {
            let time = u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX);
            return Err(store::Error::Limit {
                what: format!("the {} script of {}@{}", script.event, script.name, script.version),
                observed: time.saturating_add(1),
                capacity: time,
                unit: "ms",
                field: "script_ms",
            });
        }
        if ended.exit_code == 0 {
            return Ok(());
        }
        let mut written = tail
            .lock()
            .map(|tail| tail.iter().copied().collect())
            .unwrap_or_default();
        let why = match &ended.limit {
            Some(limit) => format!("was ended by a limit: {limit}"),
            None => format!("ended with code {}", ended.exit_code),
        };
        Err(refused(format!("{why}{}", shown(&mut written))))
    }

    /// Packs the tree.
    async fn pack(&self, vm: &AgentOs, archive: &mut (dyn Write + Send)) -> store::Result<()> {
        let (above, name) = self.home.rsplit_once('/').unwrap_or(("/", self.home));
        let refused = |reason: String| failed(self.home, format!("made what cannot be packed: {reason}"));
        let spawn = vm.spawn("tar", ["-cf", "-", "-C", above, name]).start();
        let mut tar = spawn.await.map_err(|error| refused(error.to_string()))?;
        let mut complaints = Vec::new();
        let packing = async {
            while let Some(Output { stream, data, .. }) = tar.next_output().await.map_err(|error| error.to_string())? {
                match stream {
                    Stream::Stdout => archive.write_all(&data).map_err(|error| error.to_string())?,
                    Stream::Stderr if complaints.len() < SHOWN => complaints.extend(&data),
                    Stream::Stderr => {}
                }
            }
            tar.wait().await.map_err(|error| error.to_string())
        };
        let packed = tokio::time::timeout(PACKING, packing).await;
        match packed.map_err(|_| refused("it took too long".to_owned()))? {
            Ok(0) => Ok(()),
            Ok(code) => Err(refused(format!("tar ended with code {code}{}", shown(&mut complaints)))),
            Err(reason) => Err(refused(reason)),
        }
    }
}

/// What npm gives a script.
fn variables(script: &Script, place: &str) -> Vec<(&'static str, String)> {
    // The commands of the packages in it, then of those beside it, up to the outermost.
    let folders = std::iter::successors(Some(place), |at| at.rsplit_once('/').map(|(above, _)| above));
    let bins = folders.filter(|at| !at.is_empty() && !at.ends_with("/node_modules"));
    let mut path: Vec<String> = bins.map(|at| format!("{at}/node_modules/.bin")).collect();
    path.push(PATH.to_owned());
    vec![
        ("PATH", path.join(":")),
        ("INIT_CWD", place.to_owned()),
        ("npm_command", "install".to_owned()),
        ("npm_config_global", "true".to_owned()),
        ("npm_lifecycle_event", script.event.clone()),
        ("npm_lifecycle_script", script.command.clone()),
        ("npm_node_execpath", "/usr/local/bin/node".to_owned()),
        ("npm_package_json", format!("{place}/package.json")),
        ("npm_package_name", script.name.clone()),
        ("npm_package_version", script.version.clone()),
        ("NODE", "/usr/local/bin/node".to_owned()),
    ]
}

/// The end of what a program wrote, as one line of printable text.
fn shown(written: &mut Vec<u8>) -> String {
    let start = written.len().saturating_sub(SHOWN);
    written.drain(..start);
    let text = String::from_utf8_lossy(written);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let clean = |line: &str| line.chars().filter(|sign| !sign.is_control()).collect::<String>();
    let text = lines.map(clean).collect::<Vec<_>>().join(" | ");
    match text.is_empty() {
        true => String::new(),
        false => format!(", and wrote: {text}"),
    }
}
