//! `agentos demo`: a real coding agent in a VM, from nothing, with one command.
//!
//! Pi and the Node.js that it runs on come from npm into this user's store, a VM is made of them, a session with Pi is opened
//! and prompted to write and run a program, and what happens is shown as `agentos chat` shows it; then the files that were
//! made. With a provider's key in the environment Pi talks to that provider, and the VM holds a placeholder for the key; without
//! one the model is the scripted server of this process, and everything else the same.

use crate::chat::args::Approve;
use crate::chat::open::{Chat, Setup, start};
use crate::chat::provider::{Model, variables};
use crate::chat::show::span::{Row, Style, safe};
use crate::chat::{lines, on_a_terminal, tty};
use crate::error::{Error, Exit};
use crate::{report, vm};
use agentos::store::{Package, Spec, Step};
use agentos::{AgentOs, ApprovalPolicy, EntryKind, ListOptions};
use clap::Args;
use std::time::{Duration, Instant};

/// Options of `agentos demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Talk to the bundled scripted model server also where there is a key.
    #[arg(long)]
    scripted: bool,
    /// Who decides when Pi asks for permission: ask (you), allow (everything), reject (everything). Where there is no terminal
    /// nobody can be asked, and everything is allowed: what Pi can do ends at its VM.
    #[arg(long, value_name = "ask|allow|reject")]
    approve: Option<Approve>,
    /// What Pi is asked to do. The scripted model does the same whatever it is asked.
    #[arg(value_name = "PROMPT", default_value = PROMPT)]
    prompt: String,
}

const PROMPT: &str =
    "Write a program that prints the prime numbers below 100, run it, and keep what it prints in primes.txt.";
const HOME: &str = "/home/user";

/// Files that are shown, and of each.
const FILES: usize = 16;
const BYTES: u64 = 8 << 10;
const LINES: usize = 40;

/// Shows it.
pub(crate) fn main(args: &DemoArgs) -> Result<Exit, Error> {
    let pi = install()?;
    let runtime = vm::runtime()?;
    let exit = runtime.block_on(async {
        let terminal = on_a_terminal();
        let mut chat = open(args, pi, terminal).await?;
        let exit = if terminal {
            let start = tty::Start {
                greeting: String::new(),
                first: Some(args.prompt.clone()),
                once: true,
                history: None,
            };
            tty::talk(&mut chat, start).await?
        } else {
            report::progress(&format!("> {}", safe(&args.prompt)));
            lines::talk(&mut chat, Some(args.prompt.clone()), false, false).await?
        };
        show_files(&chat.vm, terminal).await?;
        chat.suspend().await;
        Ok(exit)
    });
    // The thread that reads the keyboard cannot be interrupted; it must not hold up the end.
    runtime.shutdown_timeout(Duration::ZERO);
    exit
}

/// Pi, from the store; from npm into it the first time.
fn install() -> Result<Package, Error> {
    let start = Instant::now();
    let failed = |error| Error::Vm(agentos::Error::from(agentos_software::Error::Store(error)));
    let spec: Spec = "pi".parse().map_err(failed)?;
    let store = crate::software::user_store()?;
    let package = store.add(&spec, &told).map_err(failed)?;
    report::progress(&format!(
        "{} {} is in the store, {:.1} s",
        package.name(),
        package.version(),
        start.elapsed().as_secs_f64()
    ));
    Ok(package)
}

/// What a person hears of an installation: its few large steps.
fn told(step: &Step<'_>) {
    match step {
        Step::Waiting => report::progress("another process adds software, waiting for it"),
        Step::Downloads { files } if *files > 0 => {
            report::progress(&format!("downloading Pi and Node.js from npm, once: {files} archives"));
        }
        Step::Script { what } => report::progress(&format!("running the {} in a VM, once", safe(what))),
        Step::Warning(text) => report::progress(&safe(text)),
        _ => {}
    }
}

/// A VM with Pi, and a session in it.
async fn open(args: &DemoArgs, pi: Package, terminal: bool) -> Result<Chat, Error> {
    let keys = Model::keys(|_| false);
    let model = match keys {
        Model::Keys(names) if names.is_empty() || args.scripted => {
            let why = if args.scripted {
                "as asked".to_owned()
            } else {
                format!("there is none of {}", variables())
            };
            report::progress(&format!(
                "no key is used ({why}): Pi is real, its model follows a script"
            ));
            Model::scripted(HOME).await?
        }
        keys => {
            report::progress(&keys.describe());
            keys
        }
    };
    let policy = match (args.approve, terminal) {
        (Some(approve), _) => approve.0,
        (None, true) => ApprovalPolicy::Ask,
        (None, false) => {
            report::progress("there is no terminal to ask on: what Pi asks for is allowed, within its VM");
            ApprovalPolicy::AllowAll
        }
    };
    let begun = Instant::now();
    let chat = start(Setup {
        builder: AgentOs::builder().package(pi),
        agent: "pi".to_owned(),
        policy,
        cwd: Some(HOME.to_owned()),
        model,
        ports: Vec::new(),
        folder: None,
    })
    .await?;
    report::progress(&format!("Pi is ready in a VM, {:.1} s", begun.elapsed().as_secs_f64()));
    Ok(chat)
}

/// Prints the files that were made, without those of Pi itself.
async fn show_files(vm: &AgentOs, colored: bool) -> Result<(), Error> {
    let listed = vm.read_dir_recursive(HOME, ListOptions::default().max_depth(4)).await?;
    let hidden = |path: &str| path.strip_prefix(HOME).unwrap_or(path).contains("/.");
    let files: Vec<_> = listed
        .iter()
        .filter(|entry| entry.kind == EntryKind::File && !hidden(&entry.path))
        .collect();
    let mut text = String::new();
    for file in files.iter().take(FILES) {
        let title = Row::of(Style::BOLD, &format!("{} ({} bytes)", file.path, file.size));
        text.push_str(&format!("\n{}\n", title.paint(colored)));
        let content = vm.read_file_range(&file.path, 0, BYTES).await?;
        let content = String::from_utf8_lossy(&content);
        for line in content.lines().take(LINES) {
            text.push_str(&format!("  {}\n", safe(line)));
        }
        if content.lines().count() > LINES || file.size > BYTES {
            text.push_str("  …\n");
        }
    }
    if files.len() > FILES {
        text.push_str(&format!("\n… and {} more files\n", files.len() - FILES));
    }
    if files.is_empty() {
        text.push_str("\nno files were made\n");
    }
    report::text(&text)
}
