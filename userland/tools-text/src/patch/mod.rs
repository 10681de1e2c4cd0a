//! `patch`, in the manner of GNU patch: unified, context and normal differences, and what git adds to them.
//!
//! ```text
//!   text --parse--> FilePatch (names, hunks) --choose a file--> apply (offset, fuzz) --> file, rejects, backup
//! ```
//!
//! Nothing is asked: where GNU patch would ask, the answer is the one it takes without a terminal. Names never lead
//! out of the current directory.

mod apply;
mod options;
mod parse;
mod target;

use crate::cli;
use crate::io::{bytes_of, complain, path as path_of, reason, shown};
use apply::Patching;
use options::{Options, Parsed};
use parse::{FilePatch, Hunk};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use target::Target;

/// The applet.
pub fn patch(args: Vec<OsString>) -> i32 {
    let options = match options::parse(args) {
        Parsed::Run(options) => options,
        Parsed::Help => return cli::help(options::HELP),
        Parsed::Version => return cli::version("patch"),
        Parsed::Wrong(message) => {
            complain("patch", message);
            eprintln!("patch: Try 'patch --help' for more information.");
            return 2;
        }
    };
    match run(&options) {
        Ok(status) => status,
        Err(message) => {
            complain("patch", format_args!("**** {message}"));
            2
        }
    }
}

fn run(options: &Options) -> Result<i32, String> {
    let mut text = Vec::new();
    let input = options.input.as_ref().filter(|input| *input != "-");
    let outcome = match input {
        None => io::stdin().lock().read_to_end(&mut text).map(|_| ()),
        Some(input) => fs::read(input).map(|bytes| text = bytes),
    };
    outcome.map_err(|error| {
        format!(
            "Can't open patch file {} : {}",
            input.map_or_else(|| "-".into(), |input| shown(input)),
            reason(&error)
        )
    })?;
    if let Some(folder) = &options.directory {
        std::env::set_current_dir(folder)
            .map_err(|error| format!("Can't change to directory {} : {}", shown(folder), reason(&error)))?;
    }
    let patches = parse::parse(&text).map_err(|malformed| {
        format!(
            "malformed patch at line {}: {}\n",
            malformed.line,
            String::from_utf8_lossy(&malformed.text)
        )
    })?;
    if patches.is_empty() {
        if text.is_empty() {
            return Ok(0);
        }
        return Err("Only garbage was found in the patch input.".to_owned());
    }
    let mut session = Session {
        options,
        failed: false,
        out: String::new(),
    };
    let mut output = Vec::new();
    for patch in &patches {
        session.one(patch, &mut output)?;
    }
    if let (Some(name), false) = (&options.output, options.dry_run) {
        write_output(name, &output)?;
    }
    session.flush();
    Ok(i32::from(session.failed))
}

fn write_output(name: &OsString, bytes: &[u8]) -> Result<(), String> {
    if name == "-" {
        return io::stdout().write_all(bytes).map_err(|error| reason(&error));
    }
    fs::write(name, bytes).map_err(|error| format!("Can't create file {} : {}", shown(name), reason(&error)))
}

struct Session<'a> {
    options: &'a Options,
    failed: bool,
    out: String,
}

/// What became of a file's hunks.
#[derive(Default)]
struct Tally {
    rejected: Vec<Hunk>,
    mismatch: bool,
    skipped: bool,
}

impl Session<'_> {
    fn say(&mut self, text: impl AsRef<str>) {
        self.out.push_str(text.as_ref());
        self.out.push('\n');
    }

    fn flush(&mut self) {
        if self.options.output.as_ref().is_some_and(|name| name == "-") {
            eprint!("{}", self.out);
        } else {
            crate::io::print(self.out.as_bytes());
        }
        self.out.clear();
    }

    fn one(&mut self, patch: &FilePatch, output: &mut Vec<u8>) -> Result<(), String> {
        let Some(target) = target::choose(patch, self.options) else {
            self.not_found(patch);
            return Ok(());
        };
        let name = target.path.display().to_string();
        let original = match fs::read(&target.source) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(format!("Can't open file {name} : {}", reason(&error))),
        };
        if !self.options.quiet {
            let verb = if self.options.dry_run { "checking" } else { "patching" };
            let from = if target.source == target.path || self.options.output.is_some() {
                String::new()
            } else {
                format!(" (renamed from {})", target.source.display())
            };
            let shown = match &self.options.output {
                Some(output) => format!("{} (read from {name})", shown(output)),
                None => name.clone(),
            };
            self.say(format!("{verb} file {}{from}", quoted(&shown)));
        }
        let text = original.clone().unwrap_or_default();
        let (result, tally) = self.hunks(patch, &text);
        let total = patch.hunks.len();
        if !tally.rejected.is_empty() {
            self.failed = true;
            self.reject(patch, &target, &tally, total)?;
        }
        if self.options.output.is_some() {
            output.extend_from_slice(&result);
            return Ok(());
        }
        if self.options.dry_run {
            return Ok(());
        }
        if tally.rejected.len() == total && total > 0 {
            // Nothing changed; a backup shows that something was tried.
            if self.options.backup_on_mismatch && !tally.skipped && original.is_some() {
                let _ = fs::write(backup_name(&target.path, self.options), &text);
            }
            return Ok(());
        }
        self.store(patch, &target, original.as_deref(), &result, &tally)
    }

    fn not_found(&mut self, patch: &FilePatch) {
        self.failed = true;
        let line = patch.at_line;
        self.say(format!("can't find file to patch at input line {line}"));
        let hint = if self.options.strip.is_some() {
            "Perhaps you used the wrong -p or --strip option?"
        } else {
            "Perhaps you should have used the -p or --strip option?"
        };
        self.say(hint);
        self.say("The text leading up to this was:\n--------------------------");
        for text in &patch.leading {
            self.say(format!("|{}", String::from_utf8_lossy(text)));
        }
        self.say("--------------------------");
        let count = patch.hunks.len();
        let plural = if count == 1 { "hunk" } else { "hunks" };
        self.say("File to patch: \nSkip this patch? [y] \nSkipping patch.");
        self.say(format!("{count} out of {count} {plural} ignored"));
    }

    /// Applies the hunks; the text and what did not apply.
    fn hunks(&mut self, patch: &FilePatch, text: &[u8]) -> (Vec<u8>, Tally) {
        let mut patching = Patching::new(text, self.options.ignore_blanks);
        let mut tally = Tally::default();
        let mut reverse = self.options.reverse;
        let mut anyway = self.options.force;
        for (index, hunk) in patch.hunks.iter().enumerate() {
            let number = index + 1;
            let mut hunk = if reverse { hunk.reversed() } else { hunk.clone() };
            let mut place = None;
            let (prefix, suffix) = hunk.context();
            for fuzz in 0..=self.options.fuzz.min(prefix.max(suffix)) {
                if tally.skipped {
                    break;
                }
                place = patching.locate(&hunk, fuzz);
                if place.is_some() {
                    break;
                }
                if index == 0 && fuzz == 0 && !anyway {
                    let other = hunk.reversed();
                    let swapped = patching.locate(&other, fuzz).filter(|_| !other.side(false).is_empty());
                    if swapped.is_some() {
                        if self.reversed(reverse) {
                            reverse = !reverse;
                            hunk = other;
                            place = swapped;
                            break;
                        }
                        tally.skipped = true;
                    } else {
                        anyway = true;
                    }
                }
            }
            match place {
                Some(place) => {
                    tally.mismatch |= place.fuzz > 0 || place.offset != 0;
                    self.report(number, place);
                    patching.apply(&hunk, place);
                }
                None => {
                    tally.mismatch = true;
                    if !tally.skipped {
                        self.say(format!("Hunk #{number} FAILED at {}.", hunk.old_start));
                    }
                    tally.rejected.push(hunk);
                }
            }
        }
        (patching.finish(), tally)
    }

    /// A patch that seems to be applied already: whether to turn it round.
    fn reversed(&mut self, reverse: bool) -> bool {
        let what = if reverse {
            "Unreversed"
        } else {
            "Reversed (or previously applied)"
        };
        let start = format!("{what} patch detected!");
        if self.options.forward {
            self.say(format!("{start}  Skipping patch."));
        } else if self.options.batch {
            let verb = if reverse { "Ignoring" } else { "Assuming" };
            self.say(format!("{start}  {verb} -R."));
            return true;
        } else {
            let verb = if reverse { "Ignore" } else { "Assume" };
            self.say(format!("{start}  {verb} -R? [n] \nApply anyway? [n] \nSkipping patch."));
        }
        false
    }

    fn report(&mut self, number: usize, place: apply::Place) {
        if self.options.quiet || (place.fuzz == 0 && place.offset == 0) {
            return;
        }
        let mut text = format!("Hunk #{number} succeeded at {}", place.output_line);
        if place.fuzz > 0 {
            text.push_str(&format!(" with fuzz {}", place.fuzz));
        }
        if place.offset != 0 {
            let plural = if place.offset.abs() == 1 { "line" } else { "lines" };
            text.push_str(&format!(" (offset {} {plural})", place.offset));
        }
        self.say(format!("{text}."));
    }

    fn reject(&mut self, patch: &FilePatch, target: &Target, tally: &Tally, total: usize) -> Result<(), String> {
        let count = tally.rejected.len();
        let verb = if tally.skipped { "ignored" } else { "FAILED" };
        let plural = if total == 1 { "hunk" } else { "hunks" };
        let start = format!("{count} out of {total} {plural} {verb}");
        if self.options.dry_run {
            self.say(start);
            return Ok(());
        }
        let name = match &self.options.rejects {
            Some(name) => PathBuf::from(name),
            None => {
                let base = self
                    .options
                    .output
                    .as_ref()
                    .map_or_else(|| target.path.clone(), PathBuf::from);
                path_of(&[bytes_of(base.as_os_str()), b".rej"].concat())
            }
        };
        if name.as_os_str() == "-" {
            self.say(start);
            return Ok(());
        }
        self.say(format!("{start} -- saving rejects to file {}", name.display()));
        let text = rejects(patch, &tally.rejected);
        fs::write(&name, text).map_err(|error| format!("Can't create file {} : {}", name.display(), reason(&error)))
    }

    fn store(
        &mut self,
        patch: &FilePatch,
        target: &Target,
        original: Option<&[u8]>,
        result: &[u8],
        tally: &Tally,
    ) -> Result<(), String> {
        let path = &target.path;
        let error = |error: io::Error| format!("Can't create file {} : {}", path.display(), reason(&error));
        let mismatch = tally.mismatch && self.options.backup_on_mismatch;
        if self.options.backup || mismatch {
            let backup = backup_name(path, self.options);
            fs::write(&backup, original.unwrap_or_default()).map_err(error)?;
            if let Ok(meta) = fs::metadata(&target.source) {
                let _ = fs::set_permissions(&backup, meta.permissions());
            }
        }
        let deletes = if self.options.reverse {
            target.creates
        } else {
            target.deletes
        };
        if result.is_empty()
            && original.is_some()
            && (deletes || self.options.remove_empty)
            && tally.rejected.is_empty()
        {
            fs::remove_file(&target.source).map_err(error)?;
            target::remove_empty_folders(path);
            return Ok(());
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(error)?;
        }
        let permissions = fs::metadata(&target.source).ok().map(|meta| meta.permissions());
        target::replace(path, result).map_err(error)?;
        if let Some(permissions) = permissions {
            let _ = fs::set_permissions(path, permissions);
        }
        if let Some(mode) = patch.new_mode.filter(|_| !self.options.reverse) {
            target::set_executable(path, mode & 0o111 != 0);
        }
        if target.source != *path {
            fs::remove_file(&target.source).map_err(error)?;
        }
        Ok(())
    }
}

fn backup_name(path: &Path, options: &Options) -> PathBuf {
    let name = [options.prefix.as_slice(), bytes_of(path.as_os_str()), &options.suffix].concat();
    path_of(&name)
}

/// A name in single quotes when the shell would not take it as it is.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./+:,@%^ ()=".contains(c);
    if name.chars().all(plain) && !name.contains([' ', '(', ')', '=']) {
        return name.to_owned();
    }
    if name.contains(" (read from ") {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', "'\\''"))
}

/// The hunks that did not apply, as a unified difference.
fn rejects(patch: &FilePatch, hunks: &[Hunk]) -> Vec<u8> {
    let mut out = Vec::new();
    let names = patch.leading.iter().rev().take(2).rev();
    for (mark, line) in ["---", "+++"].iter().zip(names).filter(|_| patch.old_name.is_some()) {
        out.extend_from_slice(mark.as_bytes());
        out.extend_from_slice(&line[3.min(line.len())..]);
        out.push(b'\n');
    }
    for hunk in hunks {
        let range = |start: usize, count: usize| match count {
            0 => format!("{},0", start.saturating_sub(1)),
            1 => start.to_string(),
            _ => format!("{start},{count}"),
        };
        let old = range(hunk.old_start, hunk.side(false).len());
        let new = range(hunk.new_start, hunk.side(true).len());
        out.extend_from_slice(format!("@@ -{old} +{new} @@\n").as_bytes());
        for (kind, line) in &hunk.lines {
            out.push(match kind {
                parse::Kind::Context => b' ',
                parse::Kind::Remove => b'-',
                parse::Kind::Add => b'+',
            });
            out.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                out.extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
    }
    out
}
