//! `mktemp`.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{bytes_of, complain, os, reason, shown};
use agentos_tools_base::platform::{DirBuilderExt, OpenOptionsExt};

use crate::{usage, write};

const HELP: &str = "Usage: mktemp [OPTION]... [TEMPLATE]
Create a temporary file or directory, safely, and print its name. TEMPLATE must contain at least 3 consecutive 'X's.

  -d, --directory     create a directory, not a file
  -u, --dry-run       do not create anything; merely print a name (unsafe)
  -q, --quiet         suppress diagnostics about file/dir-creation failure
      --suffix=SUFF   append SUFF to TEMPLATE
  -p DIR, --tmpdir[=DIR]  interpret TEMPLATE relative to DIR, else $TMPDIR, else /tmp
  -t                  interpret TEMPLATE as a single file name component relative to a directory
";

#[derive(Default)]
struct Options {
    directory: bool,
    dry: bool,
    quiet: bool,
    suffix: Option<OsString>,
    dir: Option<Option<OsString>>,
    component: bool,
}

pub(crate) fn mktemp(args: Vec<OsString>) -> i32 {
    const SPECS: &[&str] = &[
        "d,directory",
        "u,dry-run",
        "q,quiet",
        "suffix=",
        "p=",
        "tmpdir=?",
        "t",
        "V",
        "help",
        "version",
    ];
    let mut options = Options::default();
    let mut names = Vec::new();
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt(key, value))) => match key {
                "help" => return cli::help(HELP),
                "version" | "V" => return cli::version("mktemp"),
                "directory" => options.directory = true,
                "dry-run" => options.dry = true,
                "quiet" => options.quiet = true,
                "suffix" => options.suffix = value,
                "t" => options.component = true,
                _ => options.dir = Some(value),
            },
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("mktemp", message, 1),
        }
    }
    if names.len() > 1 {
        return usage("mktemp", "too many templates", 1);
    }
    match options.run(names.pop()) {
        Ok(path) => write::all("mktemp", &[bytes_of(path.as_os_str()), b"\n"].concat()),
        Err(message) => {
            if !options.quiet || message.starts_with("too few") {
                complain("mktemp", message);
            }
            1
        }
    }
}

impl Options {
    fn run(&self, given: Option<OsString>) -> Result<PathBuf, String> {
        let named = given.is_some();
        let template = given.unwrap_or_else(|| "tmp.XXXXXXXXXX".into());
        let bytes = bytes_of(&template);
        let end = match &self.suffix {
            Some(_) if !bytes.ends_with(b"X") => {
                return Err(format!("with --suffix, template '{}' must end in X", shown(&template)));
            }
            Some(_) => bytes.len(),
            None => bytes.iter().rposition(|b| *b == b'X').map_or(0, |at| at + 1),
        };
        let start = bytes[..end].iter().rposition(|b| *b != b'X').map_or(0, |at| at + 1);
        if end - start < 3 {
            return Err(format!("too few X's in template '{}'", shown(&template)));
        }
        let suffix = self
            .suffix
            .as_deref()
            .map_or_else(|| bytes[end..].to_vec(), |text| bytes_of(text).to_vec());
        if suffix.contains(&b'/') {
            return Err(format!(
                "invalid suffix '{}', contains directory separator",
                String::from_utf8_lossy(&suffix)
            ));
        }
        let dir = self.place(named);
        if dir.is_some() {
            if self.component && bytes.contains(&b'/') {
                return Err(format!(
                    "invalid template, '{}', contains directory separator",
                    shown(&template)
                ));
            }
            if bytes.starts_with(b"/") {
                return Err(format!(
                    "invalid template, '{}'; with --tmpdir, it may not be absolute",
                    shown(&template)
                ));
            }
        }
        let lead = dir.map_or_else(
            || bytes[..start].to_vec(),
            |dir| bytes_of(super::target::join(Path::new(&dir), &os(bytes[..start].to_vec())).as_os_str()).to_vec(),
        );
        self.make(&lead, end - start, &suffix, &template)
    }

    /// The directory that the template is relative to.
    fn place(&self, named: bool) -> Option<OsString> {
        let environment = || std::env::var_os("TMPDIR").filter(|dir| !dir.is_empty());
        let fallback = || OsString::from("/tmp");
        match &self.dir {
            _ if self.component => {
                let given = self.dir.clone().flatten();
                Some(environment().or(given).unwrap_or_else(fallback))
            }
            Some(Some(dir)) if !dir.is_empty() => Some(dir.clone()),
            Some(_) => Some(environment().unwrap_or_else(fallback)),
            None if !named => Some(environment().unwrap_or_else(fallback)),
            None => None,
        }
    }

    fn make(&self, lead: &[u8], letters: usize, suffix: &[u8], template: &OsStr) -> Result<PathBuf, String> {
        const TRIES: usize = 1000;
        let mut last: io::Error = io::ErrorKind::AlreadyExists.into();
        for _ in 0..TRIES {
            let path = PathBuf::from(os([lead, &random(letters), suffix].concat()));
            let made = if self.dry {
                match fs::symlink_metadata(&path) {
                    Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                    Err(_) => Ok(()),
                }
            } else if self.directory {
                DirBuilder::new().mode(0o700).create(&path)
            } else {
                File::options()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&path)
                    .map(drop)
            };
            match made {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => {
                    last = error;
                    break;
                }
            }
        }
        let what = if self.directory { "directory" } else { "file" };
        let place = PathBuf::from(os([lead, &vec![b'X'; letters], suffix].concat()));
        let shown_template = if bytes_of(template).contains(&b'/') {
            shown(template)
        } else {
            shown(place.as_os_str())
        };
        Err(format!(
            "failed to create {what} via template '{shown_template}': {}",
            reason(&last)
        ))
    }
}

/// Random letters and digits.
fn random(count: usize) -> Vec<u8> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = Vec::with_capacity(count);
    while text.len() < count {
        // Each state of the hasher is seeded anew.
        let mut bits = RandomState::new().hash_one(text.len());
        for _ in 0..10 {
            text.push(LETTERS[(bits % 62) as usize]);
            bits /= 62;
        }
    }
    text.truncate(count);
    text
}
