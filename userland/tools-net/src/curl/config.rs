//! What a command line asks for, after parsing.

use crate::engine::sys::Family;
use crate::engine::{Header, Override, Piece, Slow, TlsOptions, TlsVersion, Version};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What holds for all transfers.
#[derive(Debug, Clone, Default)]
pub(super) struct Global {
    pub(super) verbose: bool,
    pub(super) silent: bool,
    pub(super) show_error: bool,
    pub(super) no_meter: bool,
    pub(super) bar: bool,
    pub(super) fail_early: bool,
    pub(super) parallel: bool,
    pub(super) stderr: Option<OsString>,
    pub(super) help: Option<Help>,
}

/// A question to the program itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Help {
    Usage,
    Version,
}

/// Where a transfer's output goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Place {
    #[default]
    Stdout,
    File(OsString),
    RemoteName,
}

/// A URL of the command line with what belongs to it alone.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) url: Option<String>,
    pub(super) place: Option<Place>,
    pub(super) upload: Option<OsString>,
}

/// What a form is made of.
#[derive(Debug, Clone)]
pub(super) struct FormPart {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) headers: Vec<String>,
    pub(super) content: Piece,
}

/// How netrc is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Netrc {
    #[default]
    No,
    Optional,
    Required,
}

/// When a transfer is wanted at all.
#[derive(Debug, Clone, Copy)]
pub(super) enum TimeCondition {
    ModifiedSince(i64),
    UnmodifiedSince(i64),
}

/// Where a transfer is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resume {
    /// Behind what the output file holds.
    Auto,
    At(u64),
}

/// Retrying.
#[derive(Debug, Clone, Default)]
pub(super) struct Retry {
    pub(super) count: u32,
    pub(super) delay: Option<Duration>,
    pub(super) max_time: Option<Duration>,
    pub(super) all_errors: bool,
    pub(super) refused: bool,
}

/// What holds for the URLs between two `--next`.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) nodes: Vec<Node>,
    pub(super) output_dir: Option<OsString>,
    pub(super) create_dirs: bool,
    pub(super) remote_name_all: bool,
    pub(super) remote_header_name: bool,
    pub(super) remote_time: bool,
    pub(super) no_clobber: bool,
    pub(super) remove_on_error: bool,
    pub(super) headers: Vec<String>,
    pub(super) data: Option<Vec<u8>>,
    pub(super) json: bool,
    pub(super) form: Vec<FormPart>,
    pub(super) get: bool,
    pub(super) head: bool,
    pub(super) include: bool,
    pub(super) method: Option<String>,
    pub(super) target: Option<String>,
    pub(super) query: Vec<String>,
    pub(super) user: Option<String>,
    pub(super) bearer: Option<String>,
    pub(super) agent: Option<String>,
    pub(super) referer: Option<String>,
    pub(super) auto_referer: bool,
    pub(super) cookies: Vec<String>,
    pub(super) cookie_jar: Option<OsString>,
    pub(super) junk_session: bool,
    pub(super) range: Option<String>,
    pub(super) resume: Option<Resume>,
    pub(super) write_out: Option<String>,
    pub(super) dump_header: Option<OsString>,
    pub(super) etag_save: Option<OsString>,
    pub(super) etag_compare: Option<OsString>,
    pub(super) follow: bool,
    pub(super) trusted: bool,
    pub(super) max_redirects: Option<u32>,
    pub(super) keep_post: [bool; 3],
    pub(super) fail: bool,
    pub(super) fail_with_body: bool,
    pub(super) no_glob: bool,
    pub(super) path_as_is: bool,
    pub(super) no_user_in_url: bool,
    pub(super) protocols: Protocols,
    pub(super) redirect_protocols: Protocols,
    pub(super) default_scheme: String,
    pub(super) proxy: Option<String>,
    pub(super) proxy_user: Option<String>,
    pub(super) proxy_tunnel: bool,
    pub(super) no_proxy: Option<String>,
    pub(super) overrides: Vec<Override>,
    pub(super) family: Family,
    pub(super) unix_socket: Option<PathBuf>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) max_time: Option<Duration>,
    pub(super) max_filesize: Option<u64>,
    pub(super) retry: Retry,
    pub(super) rate: Option<u64>,
    pub(super) slow: Option<Slow>,
    pub(super) tls: TlsOptions,
    pub(super) version: Version,
    pub(super) http09: bool,
    pub(super) compressed: bool,
    pub(super) raw: bool,
    pub(super) netrc: Netrc,
    pub(super) netrc_file: Option<OsString>,
    pub(super) time: Option<TimeCondition>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            output_dir: None,
            create_dirs: false,
            remote_name_all: false,
            remote_header_name: false,
            remote_time: false,
            no_clobber: false,
            remove_on_error: false,
            headers: Vec::new(),
            data: None,
            json: false,
            form: Vec::new(),
            get: false,
            head: false,
            include: false,
            method: None,
            target: None,
            query: Vec::new(),
            user: None,
            bearer: None,
            agent: None,
            referer: None,
            auto_referer: false,
            cookies: Vec::new(),
            cookie_jar: None,
            junk_session: false,
            range: None,
            resume: None,
            write_out: None,
            dump_header: None,
            etag_save: None,
            etag_compare: None,
            follow: false,
            trusted: false,
            max_redirects: Some(50),
            keep_post: [false; 3],
            fail: false,
            fail_with_body: false,
            no_glob: false,
            path_as_is: false,
            no_user_in_url: false,
            protocols: Protocols::default(),
            redirect_protocols: Protocols {
                file: false,
                ..Protocols::default()
            },
            default_scheme: "http".to_owned(),
            proxy: None,
            proxy_user: None,
            proxy_tunnel: false,
            no_proxy: None,
            overrides: Vec::new(),
            family: Family::Any,
            unix_socket: None,
            connect_timeout: None,
            max_time: None,
            max_filesize: None,
            retry: Retry::default(),
            rate: None,
            slow: None,
            tls: TlsOptions::default(),
            version: Version::Auto,
            http09: false,
            compressed: false,
            raw: false,
            netrc: Netrc::No,
            netrc_file: None,
            time: None,
        }
    }
}

impl Config {
    /// The first node that lacks something, or a new one.
    pub(super) fn node(&mut self, lacks: impl Fn(&Node) -> bool) -> &mut Node {
        let at = self.nodes.iter().position(lacks).unwrap_or_else(|| {
            self.nodes.push(Node::default());
            self.nodes.len() - 1
        });
        &mut self.nodes[at]
    }

    /// The versions of TLS get a least one.
    pub(super) fn at_least(&mut self, version: TlsVersion) {
        self.tls.least = Some(version);
    }

    /// The custom header fields: name and value, `None` for one that is to be left out.
    pub(super) fn custom_headers(&self) -> Vec<(String, Option<Header>)> {
        self.headers.iter().filter_map(|line| custom(line)).collect()
    }
}

/// `Name: value`, `Name:` (leave it out), `Name;` (send it empty).
fn custom(line: &str) -> Option<(String, Option<Header>)> {
    if let Some((name, value)) = line.split_once(':') {
        let value = value.trim();
        let header = (!value.is_empty()).then(|| Header::new(name, value));
        return Some((name.trim().to_owned(), header));
    }
    let name = line.trim_end().strip_suffix(';')?;
    Some((name.to_owned(), Some(Header::new(name, ""))))
}

/// Schemes that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Protocols {
    pub(super) http: bool,
    pub(super) https: bool,
    pub(super) file: bool,
}

impl Default for Protocols {
    fn default() -> Self {
        Self {
            http: true,
            https: true,
            file: true,
        }
    }
}

impl Protocols {
    /// Whether a scheme may be used.
    pub(super) fn admit(self, scheme: &str) -> bool {
        match scheme {
            "http" => self.http,
            "https" => self.https,
            "file" => self.file,
            _ => false,
        }
    }

    /// Applies a list like `=https,http` or `-file`.
    pub(super) fn apply(&mut self, list: &str) {
        for entry in list.split(',').map(str::trim) {
            let (mode, name) = match entry.chars().next() {
                Some(mode @ ('+' | '-' | '=')) => (mode, entry.get(1..).unwrap_or_default()),
                _ => ('+', entry),
            };
            if mode == '=' {
                *self = Self {
                    http: false,
                    https: false,
                    file: false,
                };
            }
            let on = mode != '-';
            match name.to_ascii_lowercase().as_str() {
                "all" => (self.http, self.https, self.file) = (on, on, on),
                "http" => self.http = on,
                "https" => self.https = on,
                "file" => self.file = on,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_set_left_out_and_sent_empty() {
        let config = Config {
            headers: ["A: b", "C:", "D;", "nonsense"].map(str::to_owned).to_vec(),
            ..Config::default()
        };
        let found = config.custom_headers();
        assert_eq!(found[0], ("A".to_owned(), Some(Header::new("A", "b"))));
        assert_eq!(found[1], ("C".to_owned(), None));
        assert_eq!(found[2], ("D".to_owned(), Some(Header::new("D", ""))));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn protocols_are_added_and_taken_away() {
        let mut protocols = Protocols::default();
        protocols.apply("=https");
        assert!(protocols.admit("https") && !protocols.admit("http"));
        protocols.apply("http,-https");
        assert!(!protocols.admit("https") && protocols.admit("http") && !protocols.admit("ftp"));
    }
}
