//! `rg`: ripgrep's command line over ripgrep's own libraries.
//!
//! ```text
//!   options --> matcher --------------------\
//!           \-> walk (ignore rules, types) --> searcher --> printer (lines, counts, JSON)
//! ```
//!
//! One thread; files come in the order of their names, so that output is the same in every run. `-P` uses a
//! backtracking engine with look-around and back-references in place of PCRE2.

mod matcher;
mod options;
mod walk;

use crate::cli;
use crate::io::{Out, bytes_of, complain, is_closed_pipe, reason, stdout};
use crate::platform::FileTypeExt;
use grep::matcher::Matcher;
use grep::printer::{ColorSpecs, JSONBuilder, StandardBuilder, Stats, SummaryBuilder, SummaryKind};
use grep::searcher::{BinaryDetection, MmapChoice, Searcher, SearcherBuilder};
use options::{Mode, Options, Parsed};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};
use termcolor::{Ansi, ColorSpec, NoColor, WriteColor};
use walk::Haystack;

/// The applet.
pub fn rg(args: Vec<OsString>) -> i32 {
    let mut options = match options::parse(args) {
        Parsed::Run(options) => options,
        Parsed::Help => return cli::help(options::HELP),
        Parsed::Version => {
            crate::io::print(b"ripgrep 15.1.0 (agentOS)\n");
            return 0;
        }
        Parsed::Wrong(message) => {
            complain("rg", message);
            return 2;
        }
    };
    if options.paths.is_empty() && !walk::lists_only(&options) && stdin_is_readable() {
        options.paths.push("-".into());
    }
    let outcome = match options.mode {
        Mode::Types => list_types(&options),
        Mode::Files => list_files(&options),
        _ if options.perl => matcher::Perl::new(&options)
            .map_err(Failure::Message)
            .and_then(|m| search(&options, &m)),
        _ => matcher::build(&options)
            .map_err(Failure::Message)
            .and_then(|m| search(&options, &m)),
    };
    match outcome {
        Ok(status) => status,
        Err(Failure::Io(error)) if is_closed_pipe(&error) => 0,
        Err(Failure::Io(error)) => {
            complain("rg", reason(&error));
            2
        }
        Err(Failure::Message(message)) => {
            complain("rg", message);
            2
        }
    }
}

enum Failure {
    Io(io::Error),
    Message(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

type Outcome = Result<i32, Failure>;

/// Whether standard input is something that data comes from: a pipe, a file or a socket.
fn stdin_is_readable() -> bool {
    let found = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .and_then(|fd| File::from(fd).metadata());
    found.is_ok_and(|found| {
        let kind = found.file_type();
        kind.is_file() || kind.is_fifo() || kind.is_socket()
    })
}

fn list_types(options: &Options) -> Outcome {
    let mut out = stdout();
    for definition in walk::types(options).map_err(Failure::Message)?.definitions() {
        writeln!(out, "{}: {}", definition.name(), definition.globs().join(", "))?;
    }
    out.flush()?;
    Ok(0)
}

fn list_files(options: &Options) -> Outcome {
    let mut out = stdout();
    let mut any = false;
    let mut failed = false;
    let mut written = Ok(());
    let complain_here = |message: String| {
        failed = true;
        complain_unless(options.no_messages, &message);
    };
    let end = if options.null { 0 } else { b'\n' };
    walk::walk(options, complain_here, |haystack| {
        any = true;
        if options.quiet {
            return false;
        }
        let name = bytes_of(haystack.path.as_os_str());
        written = out.write_all(name).and_then(|()| out.write_all(&[end]));
        written.is_ok()
    })
    .map_err(Failure::Message)?;
    written?;
    out.flush()?;
    Ok(if failed { 2 } else { i32::from(!any) })
}

fn complain_unless(silent: bool, message: &str) {
    if !silent {
        complain("rg", message);
    }
}

/// Standard output with or without colours.
enum Sink {
    Plain(NoColor<Out>),
    Colored(Ansi<Out>),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Colored(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Colored(out) => out.flush(),
        }
    }
}

impl WriteColor for Sink {
    fn supports_color(&self) -> bool {
        matches!(self, Self::Colored(_))
    }

    fn set_color(&mut self, spec: &ColorSpec) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Colored(out) => out.set_color(spec),
        }
    }

    fn reset(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Colored(out) => out.reset(),
        }
    }
}

fn searcher(options: &Options) -> Searcher {
    let (before, after) = if options.mode == Mode::Lines || options.mode == Mode::Json {
        (options.before, options.after)
    } else {
        (0, 0)
    };
    let terminator = match (options.crlf, options.null_data) {
        (true, _) => grep::matcher::LineTerminator::crlf(),
        (_, true) => grep::matcher::LineTerminator::byte(0),
        _ => grep::matcher::LineTerminator::byte(b'\n'),
    };
    SearcherBuilder::new()
        .line_terminator(terminator)
        .invert_match(options.invert)
        .line_number(options.line_number == Some(true) || options.column == Some(true))
        .multi_line(options.multiline)
        .before_context(before)
        .after_context(after)
        .passthru(options.passthru)
        .stop_on_nonmatch(options.stop_on_nonmatch)
        .max_matches(options.max_count)
        .memory_map(MmapChoice::never())
        .build()
}

/// One run: what the printers write to, and what was found.
struct Run<'a> {
    options: &'a Options,
    searcher: Searcher,
    matched: bool,
    failed: bool,
    stats: Stats,
    start: Instant,
}

impl Run<'_> {
    /// Searches one file; true when a line matched.
    fn one<M: Matcher>(
        &mut self,
        matcher: &M,
        haystack: &Haystack,
        sink: impl grep::searcher::Sink<Error = io::Error>,
    ) -> io::Result<()> {
        let options = self.options;
        let detection = if options.text || options.null_data {
            BinaryDetection::none()
        } else if haystack.explicit || options.binary {
            BinaryDetection::convert(0)
        } else {
            BinaryDetection::quit(0)
        };
        self.searcher.set_binary_detection(detection);
        if haystack.stdin {
            return self.searcher.search_reader(matcher, io::stdin().lock(), sink);
        }
        self.searcher.search_path(matcher, &haystack.path, sink)
    }

    fn complain(&mut self, path: &Path, error: &io::Error) {
        self.failed = true;
        complain_unless(self.options.no_messages, &format!("{}: {error}", path.display()));
    }

    fn status(&self) -> i32 {
        if self.matched && (self.options.quiet || !self.failed) {
            0
        } else if self.failed {
            2
        } else {
            1
        }
    }

    fn print_stats(&self, out: &mut impl Write) -> io::Result<()> {
        let stats = &self.stats;
        let seconds = |time: Duration| format!("{:.6}", time.as_secs_f64());
        write!(
            out,
            "\n{} matches\n{} matched lines\n{} files contained matches\n{} files searched\n\
             {} bytes printed\n{} bytes searched\n{} seconds spent searching\n{} seconds total\n",
            stats.matches(),
            stats.matched_lines(),
            stats.searches_with_match(),
            stats.searches(),
            stats.bytes_printed(),
            stats.bytes_searched(),
            seconds(stats.elapsed()),
            seconds(self.start.elapsed()),
        )
    }
}

fn search<M: Matcher>(options: &Options, matcher: &M) -> Outcome {
    let out = stdout();
    let sink = if options.color {
        Sink::Colored(Ansi::new(out))
    } else {
        Sink::Plain(NoColor::new(out))
    };
    let run = Run {
        options,
        searcher: searcher(options),
        matched: false,
        failed: false,
        stats: Stats::new(),
        start: Instant::now(),
    };
    match options.mode {
        Mode::Json if !options.quiet => search_json(run, matcher, sink),
        Mode::Lines | Mode::Json if !options.quiet => search_lines(run, matcher, sink),
        _ => search_summary(run, matcher, sink),
    }
}

/// Whether file names are printed.
fn with_names(options: &Options) -> bool {
    options.with_filename.unwrap_or_else(|| match options.paths.as_slice() {
        [one] => Path::new(one).is_dir(),
        _ => true,
    })
}

fn colors() -> ColorSpecs {
    let specs = ["path:fg:magenta", "line:fg:green", "match:fg:red", "match:style:bold"];
    let specs: Vec<_> = specs.iter().filter_map(|spec| spec.parse().ok()).collect();
    ColorSpecs::new(&specs)
}

fn label(haystack: &Haystack) -> &Path {
    if haystack.stdin {
        Path::new("<stdin>")
    } else {
        &haystack.path
    }
}

fn search_lines<M: Matcher>(mut run: Run<'_>, matcher: &M, sink: Sink) -> Outcome {
    let options = run.options;
    let mut builder = StandardBuilder::new();
    let names = with_names(options);
    let heading = options.heading == Some(true);
    let context = options.before > 0 || options.after > 0 || options.passthru;
    builder
        .color_specs(colors())
        .stats(options.stats)
        .heading(heading)
        .path(names)
        .only_matching(options.only)
        .per_match(options.vimgrep)
        .per_match_one_line(true)
        .replacement(options.replace.clone())
        .max_columns(options.max_columns)
        .max_columns_preview(options.max_columns_preview)
        .column(options.column == Some(true))
        .byte_offset(options.byte_offset)
        .trim_ascii(options.trim)
        .path_terminator(options.null.then_some(0))
        .separator_search(if heading && names {
            Some(Vec::new())
        } else if context {
            Some(separator(options).unwrap_or_default())
        } else {
            None
        })
        .separator_context(separator(options));
    if let Some(text) = &options.match_separator {
        builder.separator_field_match(text.clone());
    }
    if let Some(text) = &options.field_context_separator {
        builder.separator_field_context(text.clone());
    }
    let mut printer = builder.build(sink);
    let mut outcome = Ok(());
    let mut walk_failed = false;
    walk::walk(
        options,
        |message| warn(options, &mut walk_failed, &message),
        |haystack| {
            let mut sink = if names {
                printer.sink_with_path(matcher, label(&haystack))
            } else {
                printer.sink(matcher)
            };
            let result = run.one(matcher, &haystack, &mut sink);
            run.matched |= sink.has_match();
            if let Some(stats) = sink.stats() {
                run.stats += stats;
            }
            let flushed = if options.line_buffered {
                printer.get_mut().flush()
            } else {
                Ok(())
            };
            settle(&mut run, &haystack, result.and(flushed), &mut outcome)
        },
    )
    .map_err(Failure::Message)?;
    outcome?;
    run.failed |= walk_failed;
    if options.stats {
        run.print_stats(printer.get_mut())?;
    }
    printer.get_mut().flush()?;
    Ok(run.status())
}

fn separator(options: &Options) -> Option<Vec<u8>> {
    match &options.context_separator {
        None => Some(b"--".to_vec()),
        Some(text) if text.is_empty() => None,
        Some(text) => Some(text.clone()),
    }
}

fn warn(options: &Options, failed: &mut bool, message: &str) {
    *failed = true;
    complain_unless(options.no_messages, message);
}

/// Notes how a search ended; false when there is nobody to print for.
fn settle(run: &mut Run<'_>, haystack: &Haystack, result: io::Result<()>, outcome: &mut io::Result<()>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) if is_closed_pipe(&error) => {
            *outcome = Err(error);
            false
        }
        Err(error) => {
            run.complain(&haystack.path, &error);
            true
        }
    }
}

fn search_summary<M: Matcher>(mut run: Run<'_>, matcher: &M, sink: Sink) -> Outcome {
    let options = run.options;
    let kind = match options.mode {
        _ if options.quiet && options.mode == Mode::NamesWithout => SummaryKind::QuietWithoutMatch,
        _ if options.quiet => SummaryKind::QuietWithMatch,
        Mode::Count if options.only => SummaryKind::CountMatches,
        Mode::Count => SummaryKind::Count,
        Mode::CountMatches => SummaryKind::CountMatches,
        Mode::NamesWithout => SummaryKind::PathWithoutMatch,
        _ => SummaryKind::PathWithMatch,
    };
    let counts = matches!(kind, SummaryKind::Count | SummaryKind::CountMatches);
    let names = !counts || with_names(options);
    let mut printer = SummaryBuilder::new()
        .kind(kind)
        .color_specs(colors())
        .stats(options.stats)
        .path(names)
        .exclude_zero(!options.include_zero)
        .path_terminator(options.null.then_some(0))
        .build(sink);
    let mut outcome = Ok(());
    let mut walk_failed = false;
    walk::walk(
        options,
        |message| warn(options, &mut walk_failed, &message),
        |haystack| {
            let mut sink = printer.sink_with_path(matcher, label(&haystack));
            let result = run.one(matcher, &haystack, &mut sink);
            let matched = sink.has_match();
            run.matched |= matched != (options.mode == Mode::NamesWithout);
            if let Some(stats) = sink.stats() {
                run.stats += stats;
            }
            settle(&mut run, &haystack, result, &mut outcome) && !(options.quiet && run.matched && !options.stats)
        },
    )
    .map_err(Failure::Message)?;
    outcome?;
    run.failed |= walk_failed;
    if options.stats {
        run.print_stats(printer.get_mut())?;
    }
    printer.get_mut().flush()?;
    Ok(run.status())
}

fn search_json<M: Matcher>(mut run: Run<'_>, matcher: &M, sink: Sink) -> Outcome {
    let options = run.options;
    let mut printer = JSONBuilder::new()
        .pretty(false)
        .replacement(options.replace.clone())
        .build(sink);
    let mut outcome = Ok(());
    let mut walk_failed = false;
    walk::walk(
        options,
        |message| warn(options, &mut walk_failed, &message),
        |haystack| {
            let mut sink = printer.sink_with_path(matcher, label(&haystack));
            let result = run.one(matcher, &haystack, &mut sink);
            run.matched |= sink.has_match();
            run.stats += sink.stats();
            settle(&mut run, &haystack, result, &mut outcome)
        },
    )
    .map_err(Failure::Message)?;
    outcome?;
    run.failed |= walk_failed;
    let out = printer.get_mut();
    let stats = &run.stats;
    let time = |time: Duration| {
        let human = format!("{:.6}s", time.as_secs_f64());
        format!(
            "{{\"human\":\"{human}\",\"nanos\":{},\"secs\":{}}}",
            time.subsec_nanos(),
            time.as_secs()
        )
    };
    writeln!(
        out,
        "{{\"data\":{{\"elapsed_total\":{},\"stats\":{{\"bytes_printed\":{},\"bytes_searched\":{},\"elapsed\":{},\
         \"matched_lines\":{},\"matches\":{},\"searches\":{},\"searches_with_match\":{}}}}},\"type\":\"summary\"}}",
        time(run.start.elapsed()),
        stats.bytes_printed(),
        stats.bytes_searched(),
        time(stats.elapsed()),
        stats.matched_lines(),
        stats.matches(),
        stats.searches(),
        stats.searches_with_match(),
    )?;
    out.flush()?;
    Ok(run.status())
}

/// Carries out `\n`, `\t`, `\0`, `\\` and `\xHH`.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (byte, length) = match &text[at..] {
            [b'\\', b'n', ..] => (b'\n', 2),
            [b'\\', b't', ..] => (b'\t', 2),
            [b'\\', b'r', ..] => (b'\r', 2),
            [b'\\', b'0', ..] => (0, 2),
            [b'\\', b'\\', ..] => (b'\\', 2),
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |b: u8| char::from(b).to_digit(16).unwrap_or(0) as u8;
                (digit(*high) * 16 + digit(*low), 4)
            }
            rest => (rest[0], 1),
        };
        out.push(byte);
        at += length;
    }
    out
}
