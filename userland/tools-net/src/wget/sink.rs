//! What becomes of a response: shown, judged, written to its file.

use super::log::{Log, human};
use super::options::Options;
use crate::engine::{Decoder, Exit, Failure, Flow, Head, Jar, Observer, Part, Result, Url};
use agentos_tools_base::io::reason;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// From its beginning.
    Truncate,
    /// Behind what it holds.
    Append,
}

/// Where bytes go.
pub(super) struct Target {
    /// The file; none for standard output.
    pub(super) path: Option<PathBuf>,
    /// It is open already, for all documents.
    pub(super) file: Option<File>,
    /// Bytes that it held before.
    pub(super) from: u64,
}

/// The observer of wget's transfers.
pub(super) struct Sink<'a> {
    pub(super) log: &'a Log,
    pub(super) options: &'a Options,
    pub(super) target: &'a mut Target,
    pub(super) jar: &'a mut Jar,
    pub(super) url: Url,
    /// Where a redirect leads.
    pub(super) redirect: Option<String>,
    /// Why the body was not wanted.
    pub(super) unwanted: Option<Unwanted>,
    /// User and password are sent.
    pub(super) login: bool,
    /// Bytes written.
    pub(super) written: u64,
    decoder: Option<Decoder>,
}

/// Why a body is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwanted {
    /// The status is an error.
    Status(u16),
    /// The file has all of it.
    Complete,
    /// It did not change.
    NotModified,
    /// Only its existence was asked for.
    Exists,
}

impl<'a> Sink<'a> {
    /// A sink for requests that begin at `url`.
    pub(super) fn new(log: &'a Log, options: &'a Options, target: &'a mut Target, jar: &'a mut Jar, url: Url) -> Self {
        Self {
            log,
            options,
            target,
            jar,
            url,
            redirect: None,
            unwanted: None,
            login: false,
            written: 0,
            decoder: None,
        }
    }

    /// Opens the file.
    pub(super) fn open(&mut self, opening: Opening) -> Result<()> {
        let Some(path) = &self.target.path else { return Ok(()) };
        if self.target.file.is_some() {
            return Ok(());
        }
        let mut options = File::options();
        match opening {
            Opening::Append => options.append(true).create(true),
            Opening::Truncate => options.write(true).create(true).truncate(true),
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let made = folder.map_or(Ok(()), std::fs::create_dir_all);
        let opened = made.and_then(|()| options.open(path));
        self.target.file =
            Some(opened.map_err(|error| Failure::new(Exit::Write, format!("{}: {}", path.display(), reason(&error))))?);
        Ok(())
    }

    /// Whether the server asks for what was not sent yet.
    pub(super) fn challenged(&self, head: &Head) -> bool {
        let basic = |value: &[u8]| value.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"basic"));
        head.status == 401 && !self.login && self.options.user.is_some() && head.values("www-authenticate").any(basic)
    }

    fn say_length(&self, head: &Head) -> Result<()> {
        let kind = head
            .value("content-type")
            .map(|kind| kind.split(';').next().unwrap_or_default().trim().to_owned());
        let kind = kind.map_or_else(String::new, |kind| format!(" [{kind}]"));
        let text = match head.length()? {
            Some(length) => {
                let whole = length + if head.status == 206 { self.target.from } else { 0 };
                let unit = if whole >= 1024 {
                    format!(" ({})", human(whole))
                } else {
                    String::new()
                };
                let rest = if head.status == 206 && self.target.from > 0 {
                    let unit = if length >= 1024 {
                        format!(" ({})", human(length))
                    } else {
                        String::new()
                    };
                    format!(", {length}{unit} remaining")
                } else {
                    String::new()
                };
                format!("Length: {whole}{unit}{rest}{kind}\n")
            }
            None => format!("Length: unspecified{kind}\n"),
        };
        self.log.full(&text);
        Ok(())
    }

    fn judge(&mut self, head: &Head) -> Result<Flow> {
        let location = head
            .value("location")
            .filter(|_| matches!(head.status, 300..=303 | 307 | 308));
        if let Some(location) = location {
            self.log.full(&format!("Location: {location} [following]\n"));
            self.redirect = Some(location);
            return Ok(Flow::Discard);
        }
        let unwanted = match head.status {
            304 if self.options.newer => Some(Unwanted::NotModified),
            416 if self.target.from > 0 => Some(Unwanted::Complete),
            200..300 if self.options.spider => Some(Unwanted::Exists),
            200..300 => None,
            _ if self.options.content_on_error => None,
            status => Some(Unwanted::Status(status)),
        };
        if let Some(unwanted) = unwanted {
            self.unwanted = Some(unwanted);
            if unwanted == Unwanted::Exists {
                self.say_length(head)?;
            }
            return Ok(Flow::Discard);
        }
        self.say_length(head)?;
        if self.options.compressed {
            self.decoder = Decoder::new(head.values("content-encoding"))?;
        }
        let opening = if head.status == 206 && self.target.from > 0 {
            Opening::Append
        } else {
            // The server sends all of it again.
            self.target.from = 0;
            Opening::Truncate
        };
        self.open(opening)?;
        let name = self
            .target
            .path
            .as_ref()
            .map_or_else(|| "STDOUT".to_owned(), |path| path.display().to_string());
        self.log.full(&format!("Saving to: \u{2018}{name}\u{2019}\n"));
        Ok(Flow::Deliver)
    }
}

impl Observer for Sink<'_> {
    fn note(&mut self, part: Part<'_>) {
        let Part::Info(text) = part else {
            if matches!(part, Part::Request(_)) {
                self.log.full("HTTP request sent, awaiting response... ");
            }
            return;
        };
        if text.starts_with("Re-using existing connection") {
            let url = &self.url;
            self.log.full(&format!(
                "Reusing existing connection to {}:{}.\n",
                url.host_in_brackets(),
                url.port()
            ));
        } else if text.starts_with("Connected to ") {
            self.log.full("connected.\n");
        } else if let Some(rest) = text.strip_prefix("  Trying ") {
            let place = rest.trim_end_matches("...");
            self.log.full(&format!("Connecting to {place}... "));
        } else if text.starts_with("connect to ") {
            let why = text.rsplit_once(" failed: ").map_or("", |(_, why)| why);
            self.log.full(&format!("failed: {why}.\n"));
        }
    }

    fn head(&mut self, head: &Head) -> Result<Flow> {
        if head.is_interim() {
            return Ok(Flow::Deliver);
        }
        let raw = String::from_utf8_lossy(&head.raw);
        let first = raw.lines().next().unwrap_or_default();
        let words = first.split_once(' ').map_or("", |(_, words)| words);
        if self.options.show_heads {
            let lines: String = raw
                .lines()
                .filter(|line| !line.is_empty())
                .map(|line| format!("  {line}\n"))
                .collect();
            self.log.full("\n");
            self.log.always(&lines);
        } else {
            self.log.full(&format!("{words}\n"));
        }
        if !self.options.no_cookies {
            self.jar.take(head, &self.url);
        }
        self.judge(head)
    }

    fn body(&mut self, bytes: &[u8]) -> Result<()> {
        let (target, written) = (&mut *self.target, &mut self.written);
        let mut write = |bytes: &[u8]| {
            let outcome = match &mut target.file {
                Some(file) => file.write_all(bytes),
                None => std::io::stdout().write_all(bytes),
            };
            *written += bytes.len() as u64;
            outcome.map_err(|error| Failure::new(Exit::Write, format!("Cannot write: {}", reason(&error))))
        };
        match &mut self.decoder {
            Some(decoder) => decoder.decode(bytes, &mut write),
            None => write(bytes),
        }
    }
}
