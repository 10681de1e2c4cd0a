//! `sort`: orders lines.
//!
//! ```text
//! options  the command line
//! key      where keys lie in a line, how two of them compare
//! number   numbers of any length
//! ```
//!
//! All input is in memory; lines are slices of it. Each line carries eight bytes that decide most comparisons without
//! looking at its text: the beginning of its first key, or its number as far as a float holds it.

mod key;
mod number;
mod options;

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};

use agentos_tools_base::io::{BLOCK, complain, read_all, reason, shown};

use key::Order;
use options::{Check, Options, Parsed};

/// Status of trouble.
const TROUBLE: i32 = 2;

/// `sort`.
pub(crate) fn sort(args: Vec<OsString>) -> i32 {
    let options = match options::parse(args) {
        Parsed::Run(options) => options,
        Parsed::Done(status) => return status,
    };
    let mut texts = Vec::new();
    for name in &options.files {
        match read_all(name) {
            Ok(text) => texts.push(text),
            Err(error) => {
                let what = if error.kind() == io::ErrorKind::IsADirectory {
                    "read failed"
                } else {
                    "cannot read"
                };
                complain("sort", format_args!("{what}: {}: {}", shown(name), reason(&error)));
                return TROUBLE;
            }
        }
    }
    match options.check {
        Some(check) => checked(&options, &texts[0], check),
        None => {
            let lines = if options.merge {
                merged(&options, &texts)
            } else {
                sorted(&options, &texts)
            };
            output(&options, &lines)
        }
    }
}

/// A line with what decides most comparisons.
#[derive(Clone, Copy)]
struct Line<'a> {
    head: u64,
    text: &'a [u8],
}

fn lines<'a>(options: &'a Options, text: &'a [u8]) -> impl Iterator<Item = Line<'a>> {
    let body = text.strip_suffix(&[options.end]).unwrap_or(text);
    let parts = body
        .split(move |b| *b == options.end)
        .take(if text.is_empty() { 0 } else { usize::MAX });
    parts.map(|text| Line {
        head: options.order.head(text),
        text,
    })
}

fn sorted<'a>(options: &'a Options, texts: &'a [Vec<u8>]) -> Vec<Line<'a>> {
    let mut all: Vec<Line<'a>> = texts.iter().flat_map(|text| lines(options, text)).collect();
    all.sort_by(|a, b| compare(&options.order, a, b));
    all
}

/// Lines of inputs that are in order already: always the least of the first ones.
fn merged<'a>(options: &'a Options, texts: &'a [Vec<u8>]) -> Vec<Line<'a>> {
    let mut inputs: Vec<_> = texts.iter().map(|text| lines(options, text).peekable()).collect();
    let mut all = Vec::new();
    loop {
        let mut least: Option<(usize, Line<'a>)> = None;
        for (at, input) in inputs.iter_mut().enumerate() {
            let Some(line) = input.peek() else { continue };
            if least
                .as_ref()
                .is_none_or(|(_, least)| compare(&options.order, line, least).is_lt())
            {
                least = Some((at, *line));
            }
        }
        match least {
            Some((at, line)) => {
                all.push(line);
                inputs[at].next();
            }
            None => return all,
        }
    }
}

fn compare(order: &Order, a: &Line<'_>, b: &Line<'_>) -> Ordering {
    let heads = a.head.cmp(&b.head);
    if heads.is_ne() {
        return if order.head_reversed { heads.reverse() } else { heads };
    }
    order.compare(a.text, b.text)
}

fn checked(options: &Options, text: &[u8], check: Check) -> i32 {
    let mut last: Option<Line<'_>> = None;
    for (at, line) in lines(options, text).enumerate() {
        if let Some(last) = last {
            let order = compare(&options.order, &last, &line);
            if order.is_gt() || (options.unique && order.is_eq()) {
                if check == Check::Diagnose {
                    let name = options.files.first().map_or("-".into(), |name| shown(name));
                    complain(
                        "sort",
                        format_args!("{name}:{}: disorder: {}", at + 1, String::from_utf8_lossy(line.text)),
                    );
                }
                return 1;
            }
        }
        last = Some(line);
    }
    0
}

fn output(options: &Options, lines: &[Line<'_>]) -> i32 {
    let fail = |name: Option<&OsStr>, error: &io::Error| {
        match name {
            Some(name) => complain("sort", format_args!("open failed: {}: {}", shown(name), reason(error))),
            None => complain(
                "sort",
                format_args!("write failed: 'standard output': {}", reason(error)),
            ),
        }
        TROUBLE
    };
    let mut target: Box<dyn Write> = match &options.output {
        Some(name) => match File::create(name) {
            Ok(file) => Box::new(file),
            Err(error) => return fail(Some(name), &error),
        },
        None => Box::new(io::stdout().lock()),
    };
    let mut block = Vec::with_capacity(BLOCK + 4096);
    let mut last: Option<&Line<'_>> = None;
    for line in lines {
        if options.unique && last.is_some_and(|last| compare(&options.order, last, line).is_eq()) {
            continue;
        }
        last = Some(line);
        block.extend_from_slice(line.text);
        block.push(options.end);
        if block.len() >= BLOCK {
            if let Err(error) = target.write_all(&block) {
                return fail(None, &error);
            }
            block.clear();
        }
    }
    match target.write_all(&block).and_then(|()| target.flush()) {
        Ok(()) => 0,
        Err(error) => fail(None, &error),
    }
}
