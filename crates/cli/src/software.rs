//! `agentos software`: this user's store; and giving what is in it to VMs.

use crate::args::VmArgs;
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::report;
use agentos::store::{Package, Progress, Spec, Step, Store, Verified};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Options of `agentos software`.
#[derive(Debug, Args)]
pub(crate) struct SoftwareArgs {
    #[command(subcommand)]
    command: SoftwareCommand,
}

#[derive(Debug, Subcommand)]
enum SoftwareCommand {
    /// Add software with everything that it needs. Nothing of it is run, unless you allow its install scripts by name.
    Add(AddArgs),
    /// List the software of the store.
    List(ShownArgs),
    /// Remove software, and what nothing else needs of it.
    Remove(RemoveArgs),
    /// Read every byte of all software; exit with 1 if something was changed.
    Verify(ShownArgs),
}

#[derive(Debug, Args)]
struct AddArgs {
    /// npm:NAME[@RANGE], wasm:FILE, tar:FILE, aospkg:FILE, deb:NAME, or a name such as node, pi or claude.
    #[arg(value_name = "SPEC", required = true)]
    specs: Vec<Spec>,
    /// Resolve it anew also where it was added before.
    #[arg(long)]
    update: bool,
    /// Run the install scripts of these packages of npm, in a VM without network; takes one SPEC.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    allow_scripts: Vec<String>,
    /// Let these scripts reach a host, for example *.example.com:443.
    #[arg(long, value_name = "HOST,...", value_delimiter = ',', requires = "allow_scripts")]
    allow_scripts_network: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ShownArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    /// The software, by its name or as it was added.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Does what is asked for.
pub(crate) fn main(args: &SoftwareArgs) -> Result<Exit, Error> {
    let store = user_store()?;
    match &args.command {
        SoftwareCommand::Add(args) => {
            let store = with_scripts(store, args)?;
            let progress = Shown::new();
            let add = |spec| match args.update {
                true => store.update(spec, &progress),
                false => store.add(spec, &progress),
            };
            let packages: Result<Vec<Package>, _> = args.specs.iter().map(add).collect();
            progress.end();
            print(&packages.map_err(failed)?, args.json)?;
        }
        SoftwareCommand::List(args) => print(&store.list().map_err(failed)?, args.json)?,
        SoftwareCommand::Remove(args) => {
            let removed: Result<Vec<Package>, _> = args.names.iter().map(|name| store.remove(name)).collect();
            print(&removed.map_err(failed)?, args.json)?;
        }
        SoftwareCommand::Verify(args) => return verified(&store.verify().map_err(failed)?, args.json),
    }
    Ok(Exit::SUCCESS)
}

/// This user's store, which links what it is given, in VMs without network.
pub(crate) fn user_store() -> Result<Store, Error> {
    let store = Store::user().map_err(failed)?;
    Ok(store.with_linker(Arc::new(agentos::InstallScripts::new())))
}

/// The store, with the scripts that may run.
fn with_scripts(store: Store, args: &AddArgs) -> Result<Store, Error> {
    if args.allow_scripts.is_empty() {
        return Ok(store);
    }
    let [Spec::Npm { .. } | Spec::Named(_)] = args.specs.as_slice() else {
        let text = "--allow-scripts takes one package of npm: its names are those of packages in it";
        return Err(Error::Usage(text.to_owned()));
    };
    if !args.allow_scripts_network.is_empty() {
        // What a pattern may be is checked now, not after downloads.
        let hosts = json!({"network": {"rules": [{"mode": "allow", "patterns": args.allow_scripts_network}]}});
        agentos::Permissions::new(&hosts)?;
    }
    let runner = agentos::InstallScripts::new();
    let allow = |runner: agentos::InstallScripts, host: &String| runner.allow_host(host);
    let runner = args.allow_scripts_network.iter().fold(runner, allow);
    Ok(store.with_scripts(args.allow_scripts.clone(), Arc::new(runner)))
}

fn failed(error: agentos::store::Error) -> Error {
    agentos::Error::from(agentos::SoftwareError::from(error)).into()
}

/// Gives a VM software: that of the command line lies above that of the file.
pub(crate) fn give(builder: agentos::Builder, args: &VmArgs, config: &Config) -> Result<agentos::Builder, Error> {
    let configured = config.software.iter().map(|text| text.parse::<Spec>());
    let configured: Vec<Spec> = configured.collect::<Result<_, _>>().map_err(failed)?;
    let specs: Vec<&Spec> = args.software.iter().chain(&configured).collect();
    if specs.is_empty() {
        return Ok(builder);
    }
    Ok(builder.packages(added(&specs)?))
}

/// Software of this user's store, which is added where it is not there.
pub(crate) fn added(specs: &[&Spec]) -> Result<Vec<Package>, Error> {
    let store = user_store()?;
    let progress = Shown::new();
    let packages: Result<Vec<Package>, _> = specs.iter().map(|spec| store.add(spec, &progress)).collect();
    progress.end();
    packages.map_err(failed)
}

fn print(packages: &[Package], as_json: bool) -> Result<(), Error> {
    if as_json {
        let packages: Vec<Value> = packages.iter().map(described).collect();
        return report::json(&json!(packages));
    }
    let lines = packages.iter().map(|package| {
        let commands = package.commands();
        let shown = commands.get(..COMMANDS_SHOWN).unwrap_or(commands).join(" ");
        let more = match commands.len().saturating_sub(COMMANDS_SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!(
            "{}\t{}\t{}\t{shown}{more}\n",
            package.name(),
            package.version(),
            package.spec()
        )
    });
    report::text(&lines.collect::<String>())
}

/// Commands of a package that are listed for people.
const COMMANDS_SHOWN: usize = 12;

fn described(package: &Package) -> Value {
    json!({
        "name": package.name(),
        "version": package.version(),
        "spec": package.spec(),
        "commands": package.commands(),
        "agent": package.agent().map(|agent| &agent.id),
        "native": package.is_native(),
        "layers": package.layers(),
        "scripts": package.scripts(),
    })
}

fn verified(found: &[Verified], as_json: bool) -> Result<Exit, Error> {
    let problem = |one: &Verified| one.problem.as_ref().map(ToString::to_string);
    if as_json {
        let found: Vec<Value> = found
            .iter()
            .map(|one| json!({ "name": one.name, "problem": problem(one) }))
            .collect();
        report::json(&json!(found))?;
    } else {
        let lines = found.iter().map(|one| match problem(one) {
            Some(problem) => format!("{}\tdamaged\t{problem}\n", one.name),
            None => format!("{}\tok\n", one.name),
        });
        report::text(&lines.collect::<String>())?;
    }
    match found.iter().all(|one| one.problem.is_none()) {
        true => Ok(Exit::SUCCESS),
        false => Ok(Exit::MISSED),
    }
}

/// Shows people what goes on: a bar on a terminal, lines elsewhere.
struct Shown {
    terminal: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bar: Option<ProgressBar>,
    files: u64,
    done: u64,
    bytes: u64,
}

/// How often a bar moves by itself.
const TICK: Duration = Duration::from_millis(120);

impl Shown {
    fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            state: Mutex::default(),
        }
    }

    /// Removes the bar.
    fn end(&self) {
        if let Ok(mut state) = self.state.lock()
            && let Some(bar) = state.bar.take()
        {
            bar.finish_and_clear();
        }
    }
}

impl State {
    fn say(&mut self, terminal: bool, text: String) {
        if !terminal {
            report::progress(&format!("agentos: {text}"));
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        bar.set_message(text);
    }

    /// What is worth a line: on a terminal everything, elsewhere what stands for much.
    fn told(&mut self, terminal: bool, step: &Step<'_>) {
        match step {
            Step::Waiting => self.say(terminal, "another process changes the store; waiting for it".to_owned()),
            Step::Resolved { name, version, count } if terminal => {
                self.say(true, format!("{count} packages found, {name} {version}"));
            }
            Step::Downloads { files } => {
                (self.files, self.done) = (*files, 0);
                self.say(terminal, format!("downloading {files} archives"));
            }
            Step::Received { name, bytes } => {
                self.bytes += bytes;
                if terminal {
                    self.say(true, self.downloads(name));
                }
            }
            Step::Downloaded { name } => {
                self.done += 1;
                if terminal {
                    self.say(true, self.downloads(name));
                } else if self.done == self.files {
                    self.say(false, self.downloads(name));
                }
            }
            Step::Unpacking { name, done, total } if terminal => {
                self.say(true, format!("unpacking {name}, {done} of {total}"));
            }
            Step::Unpacking { name, done: 0, total } => {
                self.say(false, format!("unpacking {name} and what it needs, {total} archives"));
            }
            Step::Script { what } => self.say(terminal, format!("running the {what} in a VM")),
            Step::Warning(text) => match &self.bar {
                Some(bar) => bar.println(format!("agentos: {text}")),
                None => report::progress(&format!("agentos: {text}")),
            },
            _ => {}
        }
    }

    fn downloads(&self, name: &str) -> String {
        let size = self.bytes as f64 / f64::from(1 << 20);
        format!("{} of {} archives, {size:.1} MiB, {name}", self.done, self.files)
    }
}

impl Progress for Shown {
    fn report(&self, step: &Step<'_>) {
        if let Ok(mut state) = self.state.lock() {
            state.told(self.terminal, step);
        }
    }
}
