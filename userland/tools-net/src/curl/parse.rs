//! Command lines and configuration files of curl.

use super::config::{Config, Global};
use super::set;
use super::table::{self, Entry, Kind};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// A command line.
#[derive(Debug, Default)]
pub(super) struct Command {
    pub(super) global: Global,
    /// At least one.
    pub(super) configs: Vec<Config>,
    /// What to say before anything happens.
    pub(super) warnings: Vec<String>,
}

/// Why a command line is not understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misuse {
    pub(super) code: i32,
    pub(super) text: String,
    /// Point to the help.
    pub(super) hint: bool,
}

impl Misuse {
    /// A misuse of exit code 2.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            code: 2,
            text: text.into(),
            hint: true,
        }
    }
}

/// Parses the arguments after the program's name; reads `~/.curlrc` first unless the first is `-q`.
pub(super) fn command(args: Vec<OsString>, home: Option<PathBuf>) -> Result<Command, Misuse> {
    let mut command = Command {
        configs: vec![Config::default()],
        ..Command::default()
    };
    let first = args
        .first()
        .map(|arg| arg.to_string_lossy().into_owned())
        .unwrap_or_default();
    let plain = first == "--disable" || (first.starts_with("-q") && !first.starts_with("--"));
    if let Some(home) = home.filter(|_| !plain)
        && let Ok(text) = std::fs::read_to_string(home.join(".curlrc"))
    {
        command.file(&text, 0)?;
    }
    command.arguments(args, 0)?;
    Ok(command)
}

impl Command {
    /// The configuration that options go to.
    pub(super) fn current(&mut self) -> &mut Config {
        if self.configs.is_empty() {
            self.configs.push(Config::default());
        }
        let last = self.configs.len() - 1;
        &mut self.configs[last]
    }

    /// Ends the current configuration.
    pub(super) fn next(&mut self) {
        if self.current().nodes.iter().any(|node| node.url.is_some()) {
            self.configs.push(Config::default());
        }
    }

    fn arguments(&mut self, args: Vec<OsString>, depth: u32) -> Result<(), Misuse> {
        let mut args = VecDeque::from(args);
        let mut only_urls = false;
        while let Some(arg) = args.pop_front() {
            let text = arg.to_string_lossy().into_owned();
            if only_urls || !text.starts_with('-') || text == "-" {
                self.url(text);
            } else if text == "--" {
                only_urls = true;
            } else if let Some(name) = text.strip_prefix("--") {
                self.long(name, &mut args, depth)?;
            } else {
                self.letters(&arg, &mut args, depth)?;
            }
        }
        Ok(())
    }

    fn url(&mut self, url: String) {
        self.current().node(|node| node.url.is_none()).url = Some(url);
    }

    fn long(&mut self, name: &str, args: &mut VecDeque<OsString>, depth: u32) -> Result<(), Misuse> {
        let (entry, on) = match name.strip_prefix("no-").and_then(|name| table::long(name).ok()) {
            Some(entry) if matches!(entry.2, Kind::Flag | Kind::Idle) => (entry, false),
            _ => {
                let entry = table::long(name).map_err(|why| Misuse::new(format!("option --{name}: {why}")))?;
                (entry, true)
            }
        };
        let shown = format!("--{name}");
        let value = match entry.2 {
            Kind::Value | Kind::IdleValue => Some(args.pop_front().ok_or_else(|| requires(&shown))?),
            _ => None,
        };
        self.apply(entry, &shown, value, on, depth)
    }

    fn letters(&mut self, arg: &OsStr, args: &mut VecDeque<OsString>, depth: u32) -> Result<(), Misuse> {
        let text = arg.to_string_lossy().into_owned();
        for (at, letter) in text.char_indices().skip(1) {
            let shown = format!("-{letter}");
            let entry = table::short(letter).ok_or_else(|| Misuse::new(format!("option {text}: is unknown")))?;
            if !matches!(entry.2, Kind::Value | Kind::IdleValue) {
                self.apply(entry, &shown, None, true, depth)?;
                continue;
            }
            let rest = text.get(at + letter.len_utf8()..).unwrap_or_default();
            let value = if rest.is_empty() {
                args.pop_front().ok_or_else(|| requires(&shown))?
            } else {
                rest.into()
            };
            return self.apply(entry, &shown, Some(value), true, depth);
        }
        Ok(())
    }

    fn apply(
        &mut self,
        entry: &Entry,
        shown: &str,
        value: Option<OsString>,
        on: bool,
        depth: u32,
    ) -> Result<(), Misuse> {
        match (entry.2, entry.0, value) {
            (Kind::Absent, ..) => {
                let text = format!("option {shown}: the installed libcurl version doesn't support this");
                Err(Misuse::new(text))
            }
            (Kind::Idle | Kind::IdleValue, ..) => Ok(()),
            (_, "config", Some(name)) => self.config(&name, depth),
            (_, name, Some(value)) => set::value(self, name, shown, value),
            (_, name, None) => {
                set::flag(self, name, on);
                Ok(())
            }
        }
    }

    fn config(&mut self, name: &OsStr, depth: u32) -> Result<(), Misuse> {
        let bytes = agentos_tools_base::io::read_all(name).map_err(|error| {
            let text = format!("cannot read config from '{}': {error}", name.to_string_lossy());
            Misuse {
                hint: false,
                ..Misuse::new(text)
            }
        })?;
        if depth >= DEEPEST {
            return Err(Misuse::new("configuration files include each other too deeply"));
        }
        self.file(&String::from_utf8_lossy(&bytes), depth + 1)
    }

    /// A configuration file: an option a line, dashes optional, its value behind blanks, `=` or `:`.
    fn file(&mut self, text: &str, depth: u32) -> Result<(), Misuse> {
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let dashed = line.starts_with('-');
            let single = dashed && !line.starts_with("--");
            let end = line.find(|c: char| c.is_whitespace() || c == '=' || !dashed && c == ':');
            let (name, rest) = line.split_at(end.unwrap_or(line.len()));
            let rest = rest.trim_start();
            let separator = rest
                .strip_prefix('=')
                .or_else(|| rest.strip_prefix(':').filter(|_| !dashed));
            let rest = separator.unwrap_or(rest).trim_start();
            let value = unquoted(rest);
            let mut args = Vec::new();
            if single {
                args.push(OsString::from(name));
            } else {
                args.push(OsString::from(format!("--{}", name.trim_start_matches('-'))));
            }
            args.extend(
                value
                    .filter(|value| !value.is_empty() || rest.starts_with('"'))
                    .map(OsString::from),
            );
            self.arguments(args, depth)?;
        }
        Ok(())
    }
}

/// A value of a configuration file: between quotes with backslashes, or up to a blank.
fn unquoted(text: &str) -> Option<String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let word = text.split_whitespace().next()?;
        return Some(word.to_owned());
    };
    let mut out = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('t') => out.push('\t'),
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('v') => out.push('\u{b}'),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    Some(out)
}

fn requires(shown: &str) -> Misuse {
    Misuse::new(format!("option {shown}: requires parameter"))
}

/// How deeply configuration files may include each other.
const DEEPEST: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curl::config::Place;

    fn parse(words: &[&str]) -> Result<Command, Misuse> {
        command(words.iter().map(OsString::from).collect(), None)
    }

    #[test]
    fn letters_cluster_and_values_may_be_joined() {
        let command = parse(&["-sSfL", "-XPUT", "-o", "out", "http://a", "-Hx: y", "http://b", "-O"]).unwrap();
        let config = &command.configs[0];
        assert!(command.global.silent && command.global.show_error && config.fail && config.follow);
        assert_eq!(config.method.as_deref(), Some("PUT"));
        assert_eq!(config.nodes[0].place, Some(Place::File("out".into())));
        assert_eq!(config.nodes[1].place, Some(Place::RemoteName));
        assert_eq!(config.headers, ["x: y"]);
    }

    #[test]
    fn next_begins_anew_and_no_switches_off() {
        let command = parse(&["-f", "--no-fail", "-k", "a", "-:", "-I", "b"]).unwrap();
        assert!(!command.configs[0].fail && command.configs[0].tls.insecure);
        assert!(command.configs[1].head && !command.configs[1].tls.insecure);
    }

    #[test]
    fn mistakes_are_named() {
        let text = |words: &[&str]| parse(words).unwrap_err().text;
        assert_eq!(text(&["--nonsense"]), "option --nonsense: is unknown");
        assert_eq!(text(&["-o"]), "option -o: requires parameter");
        assert_eq!(
            text(&["--ntlm", "x"]),
            "option --ntlm: the installed libcurl version doesn't support this"
        );
        assert_eq!(
            text(&["--retry", "x", "u"]),
            "option --retry: expected a proper numerical parameter"
        );
    }

    #[test]
    fn a_file_holds_options() {
        let mut command = Command::default();
        command
            .file(
                "# c\nurl = \"http://a/\\\"q\"\n-s\nuser-agent: me\n--retry 3\n-o \"a b\"\n",
                0,
            )
            .unwrap();
        let config = command.current();
        assert_eq!(config.nodes[0].url.as_deref(), Some("http://a/\"q"));
        assert_eq!((config.agent.as_deref(), config.retry.count), (Some("me"), 3));
        assert_eq!(config.nodes[0].place, Some(Place::File("a b".into())));
    }
}
