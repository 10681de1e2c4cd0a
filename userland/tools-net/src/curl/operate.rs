//! All URLs of a command line, one after the other.

use super::config::{Config, Global, Help, Node, Place, Resume};
use super::glob::{self, Expanded};
use super::help;
use super::output::{Mode, Output};
use super::parse::{self, Command, Misuse};
use super::transfer::{Transfer, unsupported};
use super::writeout::{self, Facts};
use crate::engine::{Client, Exit, Failure, Jar, Result, Url};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The tool.
pub(super) fn run(mut args: Vec<OsString>) -> i32 {
    if !args.is_empty() {
        args.remove(0);
    }
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let bare = args.is_empty();
    match parse::command(args, home) {
        Ok(_) if bare => {
            say(HINT);
            2
        }
        Ok(command) => all(&command),
        Err(misuse) => refuse(&misuse),
    }
}

fn refuse(misuse: &Misuse) -> i32 {
    say(&format!("curl: {}\n", misuse.text));
    if misuse.hint {
        say(HINT);
    }
    misuse.code
}

fn all(command: &Command) -> i32 {
    let global = &command.global;
    match global.help {
        Some(Help::Version) => return print(help::VERSION),
        Some(Help::Usage) => return print(help::USAGE),
        None => {}
    }
    for warning in &command.warnings {
        warn(global, warning);
    }
    if global.parallel {
        warn(global, "--parallel: transfers run one after the other here");
    }
    let mut status = 0;
    let mut number = 0;
    for config in &command.configs {
        if !config.nodes.iter().any(|node| node.url.is_some()) {
            return refuse(&Misuse::new("no URL specified!"));
        }
        if let Some(text) = contradiction(config) {
            warn(global, text);
            return 2;
        }
        let mut session = Session::new(global, config);
        let ended = session.nodes(&mut number);
        status = ended.unwrap_or(status);
        session.write_jar();
        if status != 0 && global.fail_early {
            break;
        }
    }
    status
}

/// What the URLs of one configuration share.
struct Session<'a> {
    global: &'a Global,
    config: &'a Config,
    client: Client,
    jar: Option<Jar>,
}

impl<'a> Session<'a> {
    fn new(global: &'a Global, config: &'a Config) -> Self {
        let mut client = Client::default();
        client.dialer.family = config.family;
        client.dialer.overrides.clone_from(&config.overrides);
        client.dialer.unix.clone_from(&config.unix_socket);
        client.tls = config.tls.clone();
        if let Some(name) = config.dump_header.as_ref().filter(|name| *name != "-" && *name != "%") {
            // Each head is appended; the first finds an empty file.
            let _ = std::fs::write(name, "");
        }
        Self {
            global,
            config,
            client,
            jar: jar(global, config),
        }
    }

    /// The last transfer's status.
    fn nodes(&mut self, number: &mut usize) -> Option<i32> {
        let mut status = None;
        for node in self.config.nodes.iter().filter(|node| node.url.is_some()) {
            let pattern = node.url.as_deref().unwrap_or_default();
            let expanded = if self.config.no_glob {
                let url = pattern.to_owned();
                Ok(vec![Expanded {
                    url,
                    values: Vec::new(),
                }])
            } else {
                glob::expand(pattern)
            };
            match expanded {
                Err(failure) => status = Some(self.tell(&failure)),
                Ok(all) => {
                    for one in all {
                        status = Some(self.one(node, &one, *number));
                        *number += 1;
                        if status != Some(0) && self.global.fail_early {
                            return status;
                        }
                    }
                }
            }
        }
        status
    }

    fn one(&mut self, node: &Node, one: &Expanded, number: usize) -> i32 {
        let mut facts = Facts {
            url: one.url.clone(),
            number,
            ..Facts::default()
        };
        let outcome = self.fetch(node, one, &mut facts);
        let status = match &outcome {
            Ok(()) => 0,
            Err(failure) => {
                facts.error.clone_from(&failure.text);
                self.tell(failure)
            }
        };
        facts.exit = status;
        if let Some(format) = &self.config.write_out {
            let (out, err) = writeout::expand(format, &facts);
            let _ = io::stdout().write_all(&out).and_then(|()| io::stdout().flush());
            let _ = io::stderr().write_all(&err);
        }
        status
    }

    fn fetch(&mut self, node: &Node, one: &Expanded, facts: &mut Facts) -> Result<()> {
        let config = self.config;
        let mut url = self.url(&one.url)?;
        let upload = node.upload.clone().filter(|name| !name.is_empty());
        if let Some(name) = &upload {
            remote_name(&mut url, name);
        }
        let mut output = self.output(node, one, &url)?;
        // A terminal shows either the answer or the progress.
        let visible = output.path().is_some() || !io::stdout().is_terminal();
        let meter = visible && !self.global.silent && !self.global.no_meter;
        let outcome = self.attempts(&url, upload, &mut output, meter, facts);
        facts.filename = output
            .path()
            .map_or_else(String::new, |path| path.display().to_string());
        if let Some(warning) = output.warning.take() {
            warn(self.global, &warning);
        }
        if outcome.is_err() && config.remove_on_error {
            output.remove();
        }
        outcome
    }

    fn attempts(
        &mut self,
        url: &Url,
        upload: Option<OsString>,
        output: &mut Output,
        meter: bool,
        facts: &mut Facts,
    ) -> Result<()> {
        let began = Instant::now();
        let mut delay = Duration::from_secs(1);
        let mut left = self.config.retry.count;
        loop {
            let mut transfer = Transfer {
                global: self.global,
                config: self.config,
                client: &mut self.client,
                jar: self.jar.as_mut(),
                output,
                url: url.clone(),
                upload: upload.clone(),
                meter,
                facts: facts.clone(),
            };
            let outcome = transfer.attempt();
            *facts = transfer.facts;
            let Some(why) = self.retries(&outcome, facts).filter(|_| left > 0) else {
                return outcome;
            };
            let retry = &self.config.retry;
            let wait = retry.delay.filter(|delay| !delay.is_zero()).unwrap_or(delay);
            let wait = retry_after(facts).map_or(wait, |asked| asked.max(wait));
            if retry.max_time.is_some_and(|most| began.elapsed() + wait > most) {
                return outcome;
            }
            let text = format!(
                "Problem: {why}. Will retry in {} seconds. {left} retries left.",
                wait.as_secs()
            );
            warn(self.global, &text);
            std::thread::sleep(wait);
            output.rewind();
            left -= 1;
            delay = (delay * 2).min(LONGEST_DELAY);
        }
    }

    /// Why another attempt may help.
    fn retries(&self, outcome: &Result<()>, facts: &Facts) -> Option<&'static str> {
        let retry = &self.config.retry;
        let status = facts.head.as_ref().map_or(0, |head| head.status);
        match outcome {
            Err(failure) if failure.exit == Exit::Timeout => return Some("timeout"),
            Err(failure) if matches!(failure.exit, Exit::ResolveHost | Exit::ResolveProxy) => return Some("timeout"),
            Err(failure) if failure.refused && retry.refused => return Some("connection refused"),
            _ => {}
        }
        let answered = outcome
            .as_ref()
            .err()
            .is_none_or(|failure| failure.exit == Exit::HttpReturned);
        if answered && matches!(status, 408 | 429 | 500 | 502 | 503 | 504) {
            return Some("HTTP error");
        }
        (outcome.is_err() && retry.all_errors).then_some("(retrying all errors)")
    }

    fn url(&self, text: &str) -> Result<Url> {
        let url = Url::parse(text, &self.config.default_scheme, self.config.path_as_is)?;
        if !self.config.protocols.admit(&url.scheme) {
            return Err(unsupported(&url.scheme));
        }
        if self.config.no_user_in_url && url.user.is_some() {
            return Err(Failure::new(Exit::Connect, "URL rejected: it holds a user name"));
        }
        Ok(url)
    }

    fn output(&self, node: &Node, one: &Expanded, url: &Url) -> Result<Output> {
        let config = self.config;
        let usual = if config.remote_name_all {
            Place::RemoteName
        } else {
            Place::Stdout
        };
        let name = match node.place.as_ref().unwrap_or(&usual) {
            Place::Stdout => return Ok(Output::stdout(true)),
            Place::File(name) if name == "-" => return Ok(Output::stdout(false)),
            Place::File(name) => glob::substitute(&name.to_string_lossy(), &one.values),
            Place::RemoteName => {
                let name = url.path.rsplit('/').next().unwrap_or_default();
                if name.is_empty() {
                    return Err(Failure::new(Exit::Write, "Remote file name has no length!"));
                }
                name.replace(['/', '\\'], "_")
            }
        };
        let path = match &config.output_dir {
            Some(folder) => Path::new(folder).join(name),
            None => PathBuf::from(name),
        };
        let mode = Mode {
            append: match config.resume {
                Some(Resume::Auto) => true,
                Some(Resume::At(at)) => at > 0,
                None => false,
            },
            create_dirs: config.create_dirs,
            no_clobber: config.no_clobber,
            fresh: false,
        };
        Ok(Output::file(path, mode))
    }

    fn tell(&self, failure: &Failure) -> i32 {
        if !self.global.silent || self.global.show_error {
            say(&format!("curl: ({}) {failure}\n", failure.code()));
            if failure.exit == Exit::PeerVerification {
                say(TRUST);
            }
        }
        failure.code()
    }

    fn write_jar(&self) {
        let (Some(name), Some(jar)) = (&self.config.cookie_jar, &self.jar) else {
            return;
        };
        let written = if name == "-" {
            io::stdout().write_all(jar.text().as_bytes())
        } else {
            std::fs::write(name, jar.text())
        };
        if written.is_err() {
            warn(
                self.global,
                &format!("failed to save cookies in {}", name.to_string_lossy()),
            );
        }
    }
}

/// Two things that a request cannot be at once.
fn contradiction(config: &Config) -> Option<&'static str> {
    let data = config.data.is_some() && !config.get;
    let form = !config.form.is_empty();
    let upload = config.nodes.iter().any(|node| node.upload.is_some());
    let wanted = [data, form, upload, config.head];
    let several = wanted.iter().filter(|wanted| **wanted).count() > 1;
    several
        .then_some("You can only select one HTTP request method! Data (-d), a form (-F), an upload (-T) or HEAD (-I).")
}

/// The jar, where cookies are looked after at all.
fn jar(global: &Global, config: &Config) -> Option<Jar> {
    let files: Vec<&String> = config.cookies.iter().filter(|text| !text.contains('=')).collect();
    if files.is_empty() && config.cookie_jar.is_none() {
        return None;
    }
    let mut jar = Jar::default();
    for file in files.into_iter().filter(|file| !file.is_empty()) {
        match agentos_tools_base::io::read_all(file.as_ref()) {
            Ok(bytes) => jar.load(&String::from_utf8_lossy(&bytes), !config.junk_session),
            Err(_) if global.verbose => warn(global, &format!("failed to open cookie file \"{file}\"")),
            Err(_) => {}
        }
    }
    Some(jar)
}

/// A URL that ends in a slash gets the name of what is sent there.
fn remote_name(url: &mut Url, name: &OsString) {
    let base = Path::new(name)
        .file_name()
        .map(|base| base.to_string_lossy().into_owned());
    if let Some(base) = base.filter(|base| url.path.ends_with('/') && base != "-") {
        url.path.push_str(&crate::engine::percent_encode(base.as_bytes()));
    }
}

fn retry_after(facts: &Facts) -> Option<Duration> {
    let value = facts.head.as_ref()?.value("retry-after")?;
    value
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
        .map(|asked| asked.min(LONGEST_DELAY))
}

fn warn(global: &Global, text: &str) {
    if !global.silent {
        say(&format!("Warning: {text}\n"));
    }
}

fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

fn print(text: &str) -> i32 {
    agentos_tools_base::io::print(text.as_bytes());
    0
}

const HINT: &str = "curl: try 'curl --help' for more information\n";

/// Longest time between two attempts.
const LONGEST_DELAY: Duration = Duration::from_secs(600);

/// What to know when a server is not believed.
const TRUST: &str = "\
The certificates that are trusted stand in /etc/ssl/certs/ca-certificates.crt, or in the file that CURL_CA_BUNDLE,
SSL_CERT_FILE or --cacert names. -k goes on without knowing who answers.
";
