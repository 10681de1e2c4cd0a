//! `date`: shows and converts times.

use std::ffi::OsString;
use std::fs;
use std::io::BufRead;

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{bytes_of, complain, complain_file, open, reason, shown};
use agentos_tools_base::platform::MetadataExt;

use crate::clock::{self, Instant, Zone};
use crate::{dates, usage, write};

const SPECS: &[&str] = &[
    "d,date=",
    "f,file=",
    "I,iso-8601=?",
    "R,rfc-email,rfc-822,rfc-2822",
    "rfc-3339=",
    "r,reference=",
    "s,set=",
    "u,utc,universal",
    "resolution",
    "debug",
    "help",
    "version",
];

const HELP: &str = "Usage: date [OPTION]... [+FORMAT]
Display the current time in the given FORMAT.

  -d, --date=STRING        display time described by STRING, not 'now'
  -f, --file=DATEFILE      like --date; once for each line of DATEFILE
  -I[FMT], --iso-8601      output date/time in ISO 8601 format: date, hours, minutes, seconds, ns
  -R, --rfc-email          output date and time in RFC 5322 format
      --rfc-3339=FMT       output date/time in RFC 3339 format: date, seconds, ns
  -r, --reference=FILE     display the last modification time of FILE
  -u, --utc                print Coordinated Universal Time (UTC)
";

const DEFAULT: &str = "%a %b %e %H:%M:%S %Z %Y";

enum Source {
    Now,
    Text(String),
    Lines(OsString),
    File(OsString),
}

struct Options {
    source: Source,
    pattern: Vec<u8>,
    utc: bool,
}

pub(crate) fn date(args: Vec<OsString>) -> i32 {
    let options = match read(args) {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.utc {
        // Everything that asks for the zone from here on is to find this one.
        return with_zone(&options, &Zone::utc());
    }
    with_zone(&options, &Zone::local())
}

fn read(args: Vec<OsString>) -> Result<Options, i32> {
    let mut options = Options {
        source: Source::Now,
        pattern: Vec::new(),
        utc: false,
    };
    let mut pattern: Option<Vec<u8>> = None;
    let mut parser = Parser::new(args, SPECS);
    loop {
        let text = |value: &Option<OsString>| value.as_deref().map(shown).unwrap_or_default();
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return Err(cli::help(HELP)),
            Ok(Some(Arg::Opt("version", _))) => return Err(cli::version("date")),
            Ok(Some(Arg::Opt("date", value))) => options.source = Source::Text(text(&value)),
            Ok(Some(Arg::Opt("file", Some(file)))) => options.source = Source::Lines(file),
            Ok(Some(Arg::Opt("reference", Some(file)))) => options.source = Source::File(file),
            Ok(Some(Arg::Opt("universal", _))) => options.utc = true,
            Ok(Some(Arg::Opt("rfc-2822", _))) => pattern = Some(b"%a, %d %b %Y %H:%M:%S %z".to_vec()),
            Ok(Some(Arg::Opt("iso-8601", value))) => pattern = Some(iso(&text(&value))?.into()),
            Ok(Some(Arg::Opt("rfc-3339", value))) => pattern = Some(rfc3339(&text(&value))?.into()),
            Ok(Some(Arg::Opt("resolution", _))) => pattern = Some(b"0.000000001".to_vec()),
            Ok(Some(Arg::Opt("set", _))) => {
                complain("date", "cannot set date: Operation not permitted");
                return Err(1);
            }
            Ok(Some(Arg::Opt(..))) => {}
            Ok(Some(Arg::Operand(word))) => match bytes_of(&word).strip_prefix(b"+") {
                Some(_) if pattern.is_some() => {
                    complain("date", "multiple output formats specified");
                    return Err(1);
                }
                Some(given) => pattern = Some(given.to_vec()),
                None => return Err(usage("date", format_args!("invalid date '{}'", shown(&word)), 1)),
            },
            Err(message) => return Err(usage("date", message, 1)),
        }
    }
    options.pattern = pattern.unwrap_or_else(|| DEFAULT.into());
    Ok(options)
}

fn iso(precision: &str) -> Result<&'static str, i32> {
    match precision {
        "" | "date" => Ok("%Y-%m-%d"),
        "hours" => Ok("%Y-%m-%dT%H%:z"),
        "minutes" => Ok("%Y-%m-%dT%H:%M%:z"),
        "seconds" => Ok("%Y-%m-%dT%H:%M:%S%:z"),
        "ns" => Ok("%Y-%m-%dT%H:%M:%S,%N%:z"),
        other => Err(usage(
            "date",
            format_args!("invalid argument '{other}' for '--iso-8601'"),
            1,
        )),
    }
}

fn rfc3339(precision: &str) -> Result<&'static str, i32> {
    match precision {
        "date" => Ok("%Y-%m-%d"),
        "seconds" => Ok("%Y-%m-%d %H:%M:%S%:z"),
        "ns" => Ok("%Y-%m-%d %H:%M:%S.%N%:z"),
        other => Err(usage(
            "date",
            format_args!("invalid argument '{other}' for '--rfc-3339'"),
            1,
        )),
    }
}

fn with_zone(options: &Options, zone: &Zone) -> i32 {
    let now = Instant::now();
    match &options.source {
        Source::Now => show(options, zone, now),
        Source::Text(text) => one(options, zone, now, text),
        Source::File(file) => match fs::metadata(file) {
            Ok(meta) => show(options, zone, Instant::new(meta.mtime(), meta.mtime_nsec())),
            Err(error) => {
                complain_file("date", file, &error);
                1
            }
        },
        Source::Lines(file) => match open(file) {
            Ok(input) => input
                .lines()
                .map_while(Result::ok)
                .fold(0, |status, line| status | one(options, zone, now, &line)),
            Err(error) => {
                complain(
                    "date",
                    format_args!("cannot open '{}' for reading: {}", shown(file), reason(&error)),
                );
                1
            }
        },
    }
}

fn one(options: &Options, zone: &Zone, now: Instant, text: &str) -> i32 {
    match dates::parse(text, now, options.utc) {
        Some(at) => show(options, zone, at),
        None => {
            complain("date", format_args!("invalid date '{text}'"));
            1
        }
    }
}

fn show(options: &Options, zone: &Zone, at: Instant) -> i32 {
    let mut out = Vec::new();
    clock::format(&options.pattern, &zone.civil(at), &mut out);
    out.push(b'\n');
    write::all("date", &out)
}
