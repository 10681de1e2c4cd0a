//! What a transfer shows and keeps: heads, bodies, cookies, the verbose account.

use super::config::{Config, Global};
use super::output::Output;
use crate::engine::{Decoder, Exit, Failure, Flow, Head, Jar, Observer, Part, Result, Url};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;

/// The observer of curl's transfers.
pub(super) struct Sink<'a> {
    global: &'a Global,
    config: &'a Config,
    /// Where bodies go.
    pub(super) output: &'a mut Output,
    jar: Option<&'a mut Jar>,
    decoder: Option<Decoder>,
    /// The URL that is asked.
    pub(super) url: Url,
    /// Where a redirect leads that will be followed.
    pub(super) redirect: Option<String>,
    /// Redirects are followed no further; the next is an error.
    pub(super) exhausted: bool,
    /// Bytes that the file holds already.
    pub(super) resumed: u64,
    /// Fields of the last head.
    pub(super) fields: usize,
    /// The final head, also of a transfer that failed.
    pub(super) last: Option<Head>,
    shown_body: bool,
    drop_body: bool,
}

impl<'a> Sink<'a> {
    /// A sink for a transfer that begins at `url`.
    pub(super) fn new(
        global: &'a Global,
        config: &'a Config,
        output: &'a mut Output,
        jar: Option<&'a mut Jar>,
        url: Url,
    ) -> Self {
        Self {
            global,
            config,
            output,
            jar,
            decoder: None,
            url,
            redirect: None,
            exhausted: false,
            resumed: 0,
            fields: 0,
            last: None,
            shown_body: false,
            drop_body: false,
        }
    }

    /// Cookies for a URL.
    pub(super) fn cookies(&self, url: &Url) -> Option<String> {
        self.jar.as_ref().and_then(|jar| jar.header(url))
    }

    /// A line of the verbose account.
    pub(super) fn info(&self, text: &str) {
        if self.global.verbose {
            say(&format!("* {text}\n"));
        }
    }

    /// The transfer is complete.
    pub(super) fn finish(&mut self) -> Result<()> {
        match self.decoder.take() {
            Some(decoder) => decoder.finish(),
            None => Ok(()),
        }
    }

    fn show_lines(&self, mark: char, bytes: &[u8]) {
        if !self.global.verbose {
            return;
        }
        let mut text = String::new();
        for line in String::from_utf8_lossy(bytes).split_inclusive('\n') {
            text.push(mark);
            text.push(' ');
            text.push_str(line);
        }
        say(&text);
    }

    fn dump(&mut self, head: &Head) -> Result<()> {
        if self.config.include || self.config.head {
            self.output.write(&head.raw)?;
        }
        let Some(name) = &self.config.dump_header else {
            return Ok(());
        };
        let outcome = if name == "-" {
            std::io::stdout().write_all(&head.raw)
        } else if name == "%" {
            std::io::stderr().write_all(&head.raw)
        } else {
            let opened = OpenOptions::new().append(true).create(true).open(name);
            opened.and_then(|mut file| file.write_all(&head.raw))
        };
        outcome.map_err(|_| Failure::new(Exit::Write, "Failed writing received data to disk/application"))
    }

    /// Judges the final head: an error, or what becomes of the body.
    fn judge(&mut self, head: &Head) -> Result<Flow> {
        let config = self.config;
        let location = head
            .value("location")
            .filter(|_| matches!(head.status, 301 | 302 | 303 | 307 | 308));
        if let Some(location) = location.filter(|_| config.follow) {
            if self.exhausted {
                let most = config.max_redirects.unwrap_or_default();
                return Err(Failure::new(
                    Exit::Redirects,
                    format!("Maximum ({most}) redirects followed"),
                ));
            }
            self.redirect = Some(location);
            self.info("Ignoring the response-body");
            return Ok(Flow::Discard);
        }
        if head.status >= 400 && config.fail {
            return Err(returned(head.status));
        }
        self.judge_range(head)?;
        let too_large = |length: u64| config.max_filesize.is_some_and(|most| length > most);
        if head.length()?.is_some_and(too_large) {
            return Err(Failure::new(Exit::FileSize, "Maximum file size exceeded"));
        }
        if config.remote_header_name
            && let Some(name) = head.value("content-disposition").and_then(|v| disposition(&v))
        {
            self.output.rename(name);
        }
        if config.compressed && !config.raw {
            self.decoder = Decoder::new(head.values("content-encoding"))?;
        }
        if let (Some(file), Some(etag)) = (&config.etag_save, head.value("etag")) {
            let written = std::fs::write(file, format!("{etag}\n"));
            written.map_err(|_| Failure::new(Exit::Write, "Failed writing the ETag"))?;
        }
        Ok(if self.drop_body { Flow::Discard } else { Flow::Deliver })
    }

    fn judge_range(&mut self, head: &Head) -> Result<()> {
        if self.resumed == 0 || head.status >= 400 && head.status != 416 {
            return Ok(());
        }
        let from = head.value("content-range").and_then(|value| {
            let digits = value.trim_start_matches("bytes").trim_start();
            digits.split('-').next()?.parse::<u64>().ok()
        });
        match head.status {
            206 if from.is_none_or(|from| from == self.resumed) => Ok(()),
            416 => {
                // All of it is here already.
                self.drop_body = true;
                Ok(())
            }
            _ => {
                let text = "HTTP server doesn't seem to support byte ranges. Cannot resume.";
                Err(Failure::new(Exit::Range, text))
            }
        }
    }
}

impl Observer for Sink<'_> {
    fn note(&mut self, part: Part<'_>) {
        match part {
            Part::Info(text) => self.info(text),
            Part::Request(head) => {
                (self.shown_body, self.drop_body, self.decoder) = (false, false, None);
                self.show_lines('>', head);
            }
            Part::Sent(_) => {}
            Part::Trailers(fields) => self.show_lines('<', fields),
        }
    }

    fn head(&mut self, head: &Head) -> Result<Flow> {
        self.show_lines('<', &head.raw);
        self.dump(head)?;
        if let Some(jar) = &mut self.jar {
            jar.take(head, &self.url);
        }
        if head.is_interim() {
            return Ok(Flow::Deliver);
        }
        self.fields = head.fields.len();
        self.last = Some(head.clone());
        self.judge(head)
    }

    fn body(&mut self, bytes: &[u8]) -> Result<()> {
        if self.global.verbose && !self.shown_body && self.output.path().is_some() {
            self.shown_body = true;
            say(&format!("{{ [{} bytes data]\n", bytes.len()));
        }
        let most = self.config.max_filesize.unwrap_or(u64::MAX);
        let output = &mut self.output;
        let mut write = |bytes: &[u8]| {
            if output.written.saturating_add(bytes.len() as u64) > most {
                return Err(Failure::new(Exit::FileSize, "Maximum file size exceeded"));
            }
            output.write(bytes)
        };
        match &mut self.decoder {
            Some(decoder) => decoder.decode(bytes, &mut write),
            None => write(bytes),
        }
    }
}

/// The failure of a status that is an error.
pub(super) fn returned(status: u16) -> Failure {
    Failure::new(
        Exit::HttpReturned,
        format!("The requested URL returned error: {status}"),
    )
}

fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The file name that a server suggests, without any folder.
fn disposition(value: &str) -> Option<OsString> {
    let at = value.to_ascii_lowercase().find("filename=")?;
    let text = value.get(at + "filename=".len()..)?.trim();
    let name = match text.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => text.split(';').next()?.trim(),
    };
    let base = name.rsplit(['/', '\\']).next()?;
    let legal = !matches!(base, "" | "." | "..") && !base.chars().any(char::is_control);
    legal.then(|| OsString::from(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggested_name_stays_in_its_folder() {
        let of = |value: &str| disposition(value).map(|name| name.to_string_lossy().into_owned());
        assert_eq!(of("attachment; filename=\"a b.txt\"").as_deref(), Some("a b.txt"));
        assert_eq!(of("attachment; FileName=x.txt; size=1").as_deref(), Some("x.txt"));
        assert_eq!(
            of("attachment; filename=\"../../etc/passwd\"").as_deref(),
            Some("passwd")
        );
        assert_eq!(of("attachment; filename=\"..\""), None);
        assert_eq!(of("attachment; filename=\"a\u{1}\""), None);
        assert_eq!(of("inline"), None);
    }
}
