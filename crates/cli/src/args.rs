//! The command line: what can be typed, and which function answers it.

use crate::error::{Error, Exit};
use crate::remote::{self, Request};
use crate::secrets::{SecretArg, SecretFileArg};
use crate::{bench, chat, commands, demo, doctor, image, mcp, policy, run, serve, shell, software, store};
use agentos::store::Spec;
use agentos::{ImageSource, Tools};
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

/// A computer for an AI agent, inside your process.
#[derive(Debug, Parser)]
#[command(name = "agentos", version, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a command or a shell script in a fresh VM and exit with its status.
    Run(RunArgs),
    /// Open an interactive shell in a fresh VM.
    Shell(ShellArgs),
    /// Talk to an agent in a VM.
    Chat(chat::args::ChatArgs),
    /// Install a coding agent from npm, and let it write and run a program in a VM.
    Demo(demo::DemoArgs),
    /// Serve a VM to clients of the Model Context Protocol, over standard input and output or HTTP: a fresh one, or a server's.
    Mcp(mcp::McpArgs),
    /// List the commands that a VM has.
    Commands(CommandsArgs),
    /// Check a permission policy, or ask what it decides.
    Policy(PolicyArgs),
    /// Serve VMs by name and key over HTTP and WebSocket.
    Serve(serve::ServeArgs),
    /// Check the configuration of a server.
    Config(serve::ConfigArgs),
    /// Check, export or import the stored files of a server's VMs while no server runs.
    Store(store::StoreArgs),
    /// Run a command in a server's VM and exit with its status.
    Exec(remote::ExecArgs),
    /// List a directory of a server's VM.
    Ls(remote::ListArgs),
    /// Print files of a server's VM.
    Cat(remote::CatArgs),
    /// Copy files to or from a server's VM.
    Cp(remote::CopyArgs),
    /// Remove files of a server's VM.
    Rm(remote::RemoveArgs),
    /// List the processes of a server's VM.
    Ps(remote::TargetArgs),
    /// Send a signal to a process of a server's VM.
    Kill(remote::KillArgs),
    /// Print what a process of a server's VM wrote.
    Logs(remote::LogsArgs),
    /// Print what happens in a server's VM.
    Events(remote::EventsArgs),
    /// Make a URL to a port of a server's VM.
    Preview(remote::PreviewArgs),
    /// List, add or remove scheduled commands of a server's VM.
    Cron(remote::CronArgs),
    /// Say what a server's VM is doing.
    Status(remote::TargetArgs),
    /// Put a server's VM to sleep.
    Sleep(remote::TargetArgs),
    /// Destroy a server's VM with all its data.
    Destroy(remote::TargetArgs),
    /// Start, prompt and answer agents in a server's VM.
    Session(remote::SessionArgs),
    /// Make an image of packages, or look at one.
    Image(image::ImageArgs),
    /// Add software to this user's store, list, remove or verify it.
    Software(software::SoftwareArgs),
    /// Say what of agentOS works on this machine and why something does not; exit with 1 if something is missing.
    Doctor(doctor::DoctorArgs),
    /// Measure VMs on this machine, beside the host's bash doing the same.
    Bench(BenchArgs),
}

/// Options that shape the VM.
#[derive(Debug, Args, Default)]
pub(crate) struct VmArgs {
    /// Mount a host directory: HOST:GUEST, HOST:GUEST:ro (the default) or HOST:GUEST:rw.
    #[arg(long = "mount", value_name = "HOST:GUEST[:ro|rw]")]
    pub(crate) mounts: Vec<MountArg>,
    /// Lay an image below the VM's root: host (the host's own programs), or the path of a directory, a tar archive or an OCI
    /// layout. Of several the first lies on top; what the VM changes stays in the VM.
    #[arg(long = "image", value_name = "host|PATH")]
    pub(crate) images: Vec<ImageArg>,
    /// Give the VM software of this user's store, which is added to it if it is not there: npm:NAME[@RANGE], wasm:FILE,
    /// tar:FILE, aospkg:FILE, deb:NAME, or a name such as node, pi or claude. Of several the first lies on top.
    #[arg(long = "software", value_name = "SPEC")]
    pub(crate) software: Vec<Spec>,
    /// Which commands are found first by name in a VM with images: bundled (the default) or image.
    #[arg(long, value_name = "bundled|image", value_parser = parse_tools)]
    pub(crate) tools: Option<Tools>,
    /// Set an environment variable.
    #[arg(long = "env", value_name = "K=V")]
    pub(crate) env: Vec<EnvArg>,
    /// Start in this directory of the VM.
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<String>,
    /// Keep a credential out of the VM: NAME holds a placeholder there, and requests to these hosts carry the value of the
    /// host's variable NAME in its place, in any header or only in HEADER.
    #[arg(long = "secret", value_name = "NAME=HOST[,HOST...][:HEADER]")]
    pub(crate) secrets: Vec<SecretArg>,
    /// Take the value of a secret from a file in place of a variable.
    #[arg(long = "secret-file", value_name = "NAME=FILE")]
    pub(crate) secret_files: Vec<SecretFileArg>,
    /// Trust the certificate authorities of this PEM file besides the web's.
    #[arg(long = "trust-root", value_name = "FILE")]
    pub(crate) trust_roots: Vec<PathBuf>,
    /// Send connections through a proxy: http://, https:// or socks5://HOST[:PORT]. Credentials of a proxy belong into the
    /// configuration file.
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// Set a limit, for example maxProcesses=64 or maxFilesystemBytes=512MiB.
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    pub(crate) limits: Vec<LimitArg>,
    /// Let guests reach this port of the host's loopback, 127.0.0.1 and ::1.
    #[arg(long = "allow-port", value_name = "PORT", allow_negative_numbers = true)]
    pub(crate) allow_ports: Vec<i64>,
    /// Ask this name server in place of the host's: ADDRESS or ADDRESS:PORT.
    #[arg(long = "dns-server", value_name = "ADDRESS")]
    pub(crate) dns_servers: Vec<String>,
    /// What the VM may do: default, locked, a JSON object, or a JSON or TOML file.
    #[arg(long, value_name = "FILE|JSON|default|locked")]
    pub(crate) permissions: Option<String>,
    /// Read options from a TOML file; options on the command line win.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Options of `agentos run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) vm: VmArgs,
    /// Stop the command after this time (500ms, 30s, 5m, 1h) and exit with 124.
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Print one JSON object with exitCode, stdout, stderr, durations and peak memory.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print durations and resource usage to standard error.
    #[arg(long)]
    pub(crate) stats: bool,
    /// A shell script, run by `sh -c`.
    #[arg(short = 'c', value_name = "SCRIPT", conflicts_with = "command")]
    pub(crate) script: Option<String>,
    /// The command and its arguments.
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub(crate) command: Vec<String>,
}

/// Options of `agentos shell`.
#[derive(Debug, Args)]
pub(crate) struct ShellArgs {
    #[command(flatten)]
    pub(crate) vm: VmArgs,
}

/// Options of `agentos policy`.
#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    pub(crate) question: PolicyCommand,
}

/// What can be asked of a policy.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Say how a request would be decided and by which rule; exit with 0 if it is allowed, 77 if not.
    Explain(ExplainArgs),
    /// Say whether a policy is valid; exit with 64 and every problem if not.
    Check(PolicySource),
}

/// Where the policy comes from.
#[derive(Debug, Args, Default)]
pub(crate) struct PolicySource {
    /// The policy: default, locked, a JSON object, or a JSON or TOML file.
    #[arg(long, value_name = "FILE|JSON|default|locked")]
    pub(crate) permissions: Option<String>,
    /// Take the policy of this configuration file, unless --permissions is given.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `agentos policy explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) source: PolicySource,
    /// Part of the policy: fs, network, childProcess, process, env, tool.
    #[arg(value_name = "SCOPE")]
    pub(crate) scope: String,
    /// What is attempted, for example read, spawn or http.
    #[arg(value_name = "OPERATION")]
    pub(crate) operation: String,
    /// On what: a path, a name, kit:tool, tcp://host:port, udp://host:port or dns://host; on the network also several,
    /// which are taken for the names and the address of one destination.
    #[arg(value_name = "RESOURCE", required = true)]
    pub(crate) resources: Vec<String>,
}

/// Options of `agentos commands`.
#[derive(Debug, Args)]
pub(crate) struct CommandsArgs {
    /// Print a JSON array.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `agentos bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Print JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Run only these measurements, or those whose names begin with NAME_: `serve`.
    #[arg(value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Take a tenth of the samples.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Exit with status 1 when a goal is missed. Without it a busy machine only shows in the numbers.
    #[arg(long)]
    pub(crate) check: bool,
    /// Install and run nothing of npm: leave out the comparison with RivetKit's own server.
    #[arg(long)]
    pub(crate) no_npm: bool,
    /// Be the client of the server at this URL, which measures from a process of its own, and print how long its calls took.
    #[arg(long, hide = true, value_name = "URL", conflicts_with_all = ["only", "check"])]
    pub(crate) client: Option<String>,
}

/// A `--mount` value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountArg {
    pub(crate) host: PathBuf,
    pub(crate) guest: String,
    pub(crate) writable: bool,
}

impl FromStr for MountArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rest, writable) = match text.rsplit_once(':') {
            Some((rest, "ro")) => (rest, false),
            Some((rest, "rw")) => (rest, true),
            _ => (text, false),
        };
        let shape = || format!("expected HOST:GUEST, HOST:GUEST:ro or HOST:GUEST:rw, got {text:?}");
        let (host, guest) = rest.rsplit_once(':').ok_or_else(shape)?;
        if host.is_empty() || guest.is_empty() {
            return Err(shape());
        }
        if !guest.starts_with('/') {
            return Err(format!("the guest path must be absolute, got {guest:?}"));
        }
        Ok(Self {
            host: host.into(),
            guest: guest.to_owned(),
            writable,
        })
    }
}

/// An `--image` value; opened when the VM is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageArg(pub(crate) ImageSource);

impl FromStr for ImageArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|error: agentos::ImageError| error.to_string())
    }
}

/// Parses a `--tools` value.
pub(crate) fn parse_tools(text: &str) -> Result<Tools, String> {
    match text {
        "bundled" => Ok(Tools::Bundled),
        "image" => Ok(Tools::Image),
        _ => Err(format!("expected bundled or image, got {text:?}")),
    }
}

/// A `NAME=VALUE` environment setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvArg {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FromStr for EnvArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err(format!("expected NAME=VALUE, got {text:?}")),
        }
    }
}

/// A `NAME=VALUE` limit; the name and value are checked when the VM is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LimitArg {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FromStr for LimitArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err(format!("expected NAME=VALUE, got {text:?}")),
        }
    }
}

/// Parses `500ms`, `30s`, `1.5s`, `5m`, `1h`, or a bare number of seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected a duration such as 500ms, 30s, 5m or 1h, got {text:?}");
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let duration = Duration::try_from_secs_f64(number * scale).map_err(|_| wrong())?;
    if duration.is_zero() { Err(wrong()) } else { Ok(duration) }
}

/// Parses the command line and runs what it asks for.
pub fn dispatch(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(help) => {
            let usage = help.use_stderr();
            // Nothing is left to do when the terminal is gone.
            let _ = help.print();
            return if usage { Exit::USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    // Before anything counts on how many there are; what is started on the host gets the old limit.
    agentos::descriptors::raise();
    let result = match cli.command {
        Command::Run(args) => run::main(&args),
        Command::Shell(args) => shell::main(&args),
        Command::Chat(args) => chat::main(&args),
        Command::Demo(args) => demo::main(&args),
        Command::Mcp(args) => mcp::main(&args),
        Command::Commands(args) => commands::main(&args),
        Command::Policy(args) => policy::main(&args),
        Command::Serve(args) => serve::main(&args),
        Command::Config(args) => serve::config(&args),
        Command::Store(args) => store::main(&args),
        Command::Image(args) => image::main(&args),
        Command::Software(args) => software::main(&args),
        Command::Doctor(args) => doctor::main(&args),
        Command::Bench(args) => bench::main(&args),
        Command::Exec(args) => remote::main(&Request::Exec(&args)),
        Command::Ls(args) => remote::main(&Request::List(&args)),
        Command::Cat(args) => remote::main(&Request::Cat(&args)),
        Command::Cp(args) => remote::main(&Request::Copy(&args)),
        Command::Rm(args) => remote::main(&Request::Remove(&args)),
        Command::Ps(args) => remote::main(&Request::Processes(&args)),
        Command::Kill(args) => remote::main(&Request::Kill(&args)),
        Command::Logs(args) => remote::main(&Request::Logs(&args)),
        Command::Events(args) => remote::main(&Request::Events(&args)),
        Command::Preview(args) => remote::main(&Request::Preview(&args)),
        Command::Cron(args) => remote::main(&Request::Cron(&args)),
        Command::Status(args) => remote::main(&Request::Status(&args)),
        Command::Sleep(args) => remote::main(&Request::Sleep(&args)),
        Command::Destroy(args) => remote::main(&Request::Destroy(&args)),
        Command::Session(args) => remote::main(&Request::Session(&args)),
    };
    result.unwrap_or_else(|error: Error| error.report()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn mounts_are_read_only_unless_said_otherwise() {
        let mount = |text: &str| text.parse::<MountArg>();
        assert!(!mount(".:/src").unwrap().writable);
        assert!(!mount(".:/src:ro").unwrap().writable);
        assert!(mount("/a:b:/src:rw").unwrap().writable);
        assert_eq!(mount("/a:b:/src:rw").unwrap().host, PathBuf::from("/a:b"));
        assert!(mount("/src").unwrap_err().contains("HOST:GUEST"));
        assert!(mount("/a:src").unwrap_err().contains("absolute"));
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("1.5s").unwrap(), Duration::from_millis(1500));
        assert_eq!(parse_duration("2m").unwrap(), Duration::from_secs(120));
        for wrong in ["", "x", "-1s", "3 days", "1e9h", "0", "."] {
            assert!(parse_duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_command_keeps_its_own_options() {
        let cli = Cli::try_parse_from(["agentos", "run", "--cwd", "/", "ls", "-l", "--json"]).unwrap();
        let Command::Run(run) = cli.command else {
            panic!("not run")
        };
        assert_eq!(run.command, ["ls", "-l", "--json"]);
        assert!(!run.json);
    }
}
