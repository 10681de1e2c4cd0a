//! The command line of wget.

use crate::engine::sys::Family;
use crate::engine::{Piece, TlsOptions};
use agentos_tools_base::cli::{Arg, Parser};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

const SPECS: &[&str] = &[
    "O,output-document=",
    "o,output-file=",
    "a,append-output=",
    "P,directory-prefix=",
    "q,quiet",
    "v,verbose",
    "n=",
    "no-verbose",
    "c,continue",
    "no-clobber",
    "N,timestamping",
    "S,server-response",
    "i,input-file=",
    "T,timeout=",
    "connect-timeout=",
    "read-timeout=",
    "dns-timeout=",
    "t,tries=",
    "w,wait=",
    "waitretry=",
    "retry-connrefused",
    "retry-on-http-error=",
    "U,user-agent=",
    "referer=",
    "header=",
    "method=",
    "body-data=",
    "body-file=",
    "post-data=",
    "post-file=",
    "spider",
    "max-redirect=",
    "user=",
    "password=",
    "http-user=",
    "http-password=",
    "auth-no-challenge",
    "no-check-certificate",
    "ca-certificate=",
    "content-disposition",
    "content-on-error",
    "trust-server-names",
    "load-cookies=",
    "save-cookies=",
    "keep-session-cookies",
    "no-cookies",
    "no-proxy",
    "limit-rate=",
    "progress=",
    "show-progress",
    "4,inet4-only",
    "6,inet6-only",
    "e,execute=",
    "no-config",
    "no-cache",
    "no-hsts",
    "no-http-keep-alive",
    "no-use-server-timestamps",
    "no-directories",
    "no-parent",
    "no-host-directories",
    "compression=",
    "secure-protocol=",
    "https-only",
    "h,help",
    "V,version",
    "r,recursive",
    "m,mirror",
    "p,page-requisites",
    "k,convert-links",
    "x,force-directories",
    "b,background",
];

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Voice {
    #[default]
    Full,
    /// A line for each file.
    Brief,
    Quiet,
}

/// Everything that a command line asks for.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) urls: Vec<String>,
    pub(super) lists: Vec<OsString>,
    pub(super) document: Option<OsString>,
    pub(super) log: Option<(OsString, bool)>,
    pub(super) folder: Option<PathBuf>,
    pub(super) voice: Voice,
    pub(super) show_progress: bool,
    pub(super) resume: bool,
    pub(super) no_clobber: bool,
    pub(super) newer: bool,
    pub(super) show_heads: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) tries: u32,
    pub(super) wait: Duration,
    pub(super) wait_retry: Duration,
    pub(super) retry_refused: bool,
    pub(super) retry_statuses: Vec<u16>,
    pub(super) agent: String,
    pub(super) referer: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) method: Option<String>,
    pub(super) body: Option<Piece>,
    pub(super) spider: bool,
    pub(super) max_redirects: u32,
    pub(super) user: Option<String>,
    pub(super) password: String,
    pub(super) tls: TlsOptions,
    pub(super) disposition: bool,
    pub(super) content_on_error: bool,
    pub(super) trust_names: bool,
    pub(super) load_cookies: Option<OsString>,
    pub(super) save_cookies: Option<OsString>,
    pub(super) keep_session: bool,
    pub(super) no_cookies: bool,
    pub(super) no_proxy: bool,
    pub(super) no_challenge: bool,
    pub(super) rate: Option<u64>,
    pub(super) family: Family,
    pub(super) server_times: bool,
    pub(super) https_only: bool,
    pub(super) compressed: bool,
    pub(super) help: bool,
    pub(super) version: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            lists: Vec::new(),
            document: None,
            log: None,
            folder: None,
            voice: Voice::Full,
            show_progress: false,
            resume: false,
            no_clobber: false,
            newer: false,
            show_heads: false,
            timeout: Some(Duration::from_secs(900)),
            connect_timeout: None,
            tries: 20,
            wait: Duration::ZERO,
            wait_retry: Duration::from_secs(10),
            retry_refused: false,
            retry_statuses: Vec::new(),
            agent: AGENT.to_owned(),
            referer: None,
            headers: Vec::new(),
            method: None,
            body: None,
            spider: false,
            max_redirects: 20,
            user: None,
            password: String::new(),
            tls: TlsOptions::default(),
            disposition: false,
            content_on_error: false,
            trust_names: false,
            load_cookies: None,
            save_cookies: None,
            keep_session: false,
            no_cookies: false,
            no_proxy: false,
            no_challenge: false,
            rate: None,
            family: Family::Any,
            server_times: true,
            https_only: false,
            compressed: false,
            help: false,
            version: false,
        }
    }
}

/// Parses; an error's text is what to tell the user.
pub(super) fn parse(args: Vec<OsString>) -> Result<Options, String> {
    let mut options = Options::default();
    let mut parser = Parser::new(args, SPECS);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Operand(url) => options.urls.push(url.to_string_lossy().into_owned()),
            Arg::Opt(key, None) => options.flag(key)?,
            Arg::Opt(key, Some(value)) => options.value(key, value)?,
        }
    }
    if options.newer && options.document.is_some() {
        options.newer = false;
    }
    Ok(options)
}

impl Options {
    fn flag(&mut self, key: &str) -> Result<(), String> {
        match key {
            "quiet" => self.voice = Voice::Quiet,
            "verbose" => self.voice = Voice::Full,
            "no-verbose" => self.voice = Voice::Brief,
            "show-progress" => self.show_progress = true,
            "continue" => self.resume = true,
            "no-clobber" => self.no_clobber = true,
            "timestamping" => self.newer = true,
            "server-response" => self.show_heads = true,
            "retry-connrefused" => self.retry_refused = true,
            "spider" => self.spider = true,
            "no-check-certificate" => self.tls.insecure = true,
            "content-disposition" => self.disposition = true,
            "content-on-error" => self.content_on_error = true,
            "trust-server-names" => self.trust_names = true,
            "keep-session-cookies" => self.keep_session = true,
            "no-cookies" => self.no_cookies = true,
            "no-proxy" => self.no_proxy = true,
            "auth-no-challenge" => self.no_challenge = true,
            "inet4-only" => self.family = Family::V4,
            "inet6-only" => self.family = Family::V6,
            "no-use-server-timestamps" => self.server_times = false,
            "https-only" => self.https_only = true,
            "help" => self.help = true,
            "version" => self.version = true,
            "recursive" | "mirror" | "page-requisites" | "convert-links" | "force-directories" | "background" => {
                return Err(format!("--{key} is not supported by this wget"));
            }
            _ => {}
        }
        Ok(())
    }

    fn value(&mut self, key: &str, value: OsString) -> Result<(), String> {
        let text = value.to_string_lossy().into_owned();
        match key {
            "output-document" => self.document = Some(value),
            "output-file" => self.log = Some((value, false)),
            "append-output" => self.log = Some((value, true)),
            "directory-prefix" => self.folder = Some(PathBuf::from(value)),
            "n" => self.letters(&text)?,
            "input-file" => self.lists.push(value),
            "timeout" | "read-timeout" => self.timeout = seconds(key, &text)?,
            "connect-timeout" => self.connect_timeout = seconds(key, &text)?,
            "tries" => self.tries = if text == "inf" { 0 } else { number(key, &text)? },
            "wait" => self.wait = seconds(key, &text)?.unwrap_or_default(),
            "waitretry" => self.wait_retry = seconds(key, &text)?.unwrap_or_default(),
            "retry-on-http-error" => {
                self.retry_statuses = text.split(',').filter_map(|code| code.trim().parse().ok()).collect();
            }
            "user-agent" => self.agent = text,
            "referer" => self.referer = Some(text),
            "header" => self.header(&text)?,
            "method" => self.method = Some(text.to_ascii_uppercase()),
            "body-data" | "post-data" => self.set_body(key, Piece::Bytes(text.into_bytes().into())),
            "body-file" | "post-file" => {
                let known = std::fs::metadata(&value).map_err(|error| format!("{text}: {error}"))?;
                let len = known.is_file().then_some(known.len());
                let path = PathBuf::from(value);
                self.set_body(key, Piece::File { path, from: 0, len });
            }
            "max-redirect" => self.max_redirects = number(key, &text)?,
            "user" | "http-user" => self.user = Some(text),
            "password" | "http-password" => self.password = text,
            "ca-certificate" => self.tls.ca_file = Some(PathBuf::from(value)),
            "load-cookies" => self.load_cookies = Some(value),
            "save-cookies" => self.save_cookies = Some(value),
            "limit-rate" => self.rate = Some(rate(&text)?),
            "compression" => self.compressed = matches!(text.as_str(), "auto" | "gzip"),
            _ => {}
        }
        Ok(())
    }

    /// The second letters of `-nv`, `-nc` and their like.
    fn letters(&mut self, text: &str) -> Result<(), String> {
        for letter in text.chars() {
            match letter {
                'v' => self.voice = Voice::Brief,
                'c' => self.no_clobber = true,
                'd' | 'p' | 'H' => {}
                _ => return Err(format!("invalid option -- 'n{letter}'")),
            }
        }
        Ok(())
    }

    fn header(&mut self, text: &str) -> Result<(), String> {
        if text.is_empty() {
            self.headers.clear();
            return Ok(());
        }
        let (name, value) = text
            .split_once(':')
            .filter(|(name, _)| !name.is_empty() && !text.contains(['\r', '\n']))
            .ok_or_else(|| format!("--header: Invalid header \u{2018}{}\u{2019}.", text.escape_debug()))?;
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.trim().to_owned()));
        Ok(())
    }

    fn set_body(&mut self, key: &str, piece: Piece) {
        self.body = Some(piece);
        if key.starts_with("post") {
            self.method = Some("POST".to_owned());
        }
    }
}

fn invalid(key: &str, text: &str) -> String {
    format!("--{key}: Invalid number \u{2018}{text}\u{2019}.")
}

fn number(key: &str, text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| invalid(key, text))
}

/// Seconds, or with m, h or d other units; none for zero.
fn seconds(key: &str, text: &str) -> Result<Option<Duration>, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..).unwrap_or_default() {
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(invalid(key, text)),
    };
    let value: f64 = digits.parse().map_err(|_| invalid(key, text))?;
    let time = Duration::try_from_secs_f64(value * unit).map_err(|_| invalid(key, text))?;
    Ok((!time.is_zero()).then_some(time))
}

fn rate(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.to_ascii_lowercase().strip_suffix(['k', 'm', 'g']) {
        Some(digits) => (
            digits.to_owned(),
            text.chars().last().unwrap_or('k').to_ascii_lowercase(),
        ),
        None => (text.to_owned(), ' '),
    };
    let power = match unit {
        'k' => 1024.0,
        'm' => 1024.0 * 1024.0,
        'g' => 1024.0 * 1024.0 * 1024.0,
        _ => 1.0,
    };
    let value: f64 = digits.parse().map_err(|_| invalid("limit-rate", text))?;
    Ok((value * power) as u64)
}

/// Value of `User-Agent`: the wget whose behaviour this one has.
const AGENT: &str = "Wget/1.21.3";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options, String> {
        super::parse(
            std::iter::once("wget")
                .chain(words.iter().copied())
                .map(OsString::from)
                .collect(),
        )
    }

    #[test]
    fn the_usual_options_are_read() {
        let options = parse(&[
            "-qO-",
            "-T",
            "5",
            "-t3",
            "--header=A: b",
            "--post-data",
            "x=1",
            "http://h/",
        ])
        .unwrap();
        assert_eq!(
            (options.voice, options.document.unwrap()),
            (Voice::Quiet, OsString::from("-"))
        );
        assert_eq!((options.timeout, options.tries), (Some(Duration::from_secs(5)), 3));
        assert_eq!(options.headers, [("A".to_owned(), "b".to_owned())]);
        assert_eq!(options.method.as_deref(), Some("POST"));
        assert_eq!(parse(&["-nv", "-nc", "h"]).unwrap().voice, Voice::Brief);
        assert_eq!(rate("2k").unwrap(), 2048);
    }

    #[test]
    fn what_is_missing_is_refused_by_name() {
        assert!(parse(&["-r", "h"]).unwrap_err().contains("--recursive"));
        assert!(parse(&["--header", "nonsense"]).unwrap_err().contains("Invalid header"));
        assert!(parse(&["--header", "A: b\r\nC: d"]).is_err());
        assert!(parse(&["--timeout", "x"]).is_err());
    }
}
