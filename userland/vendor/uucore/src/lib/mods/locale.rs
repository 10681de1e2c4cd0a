//! Messages of the tools, in English only: a binary search in a table that the build script made.
//!
//! This replaces the Fluent bundles of the original, which parse the catalogue of a tool at every start.

use crate::error::UError;
use fluent::FluentArgs;
use thiserror::Error;

include!(concat!(env!("OUT_DIR"), "/messages.rs"));

/// Errors of the original's loader. None occurs: the catalogue is part of the program.
#[derive(Error, Debug)]
pub enum LocalizationError {
    #[error("message catalogue: {snippet}: {error}")]
    ParseResource { error: String, snippet: String },
    #[error("message catalogue: {0}")]
    Bundle(String),
}

impl UError for LocalizationError {
    fn code(&self) -> i32 {
        1
    }
}

pub const DEFAULT_LOCALE: &str = "en-US";

/// Nothing to do; kept for the callers of the original.
pub fn setup_localization(_util: &str) -> Result<(), LocalizationError> {
    Ok(())
}

/// The message with this identifier, or the identifier itself if there is none.
pub fn get_message(id: &str) -> String {
    find(id).map_or_else(|| id.to_owned(), |pattern| format_pattern(pattern, None))
}

/// The message with this identifier, its variables replaced.
pub fn get_message_with_args(id: &str, args: FluentArgs) -> String {
    find(id).map_or_else(|| id.to_owned(), |pattern| format_pattern(pattern, Some(&args)))
}

fn find(id: &str) -> Option<&'static str> {
    let at = MESSAGES.binary_search_by(|(key, _)| (*key).cmp(id)).ok()?;
    MESSAGES.get(at).map(|(_, pattern)| *pattern)
}

/// Fills in a pattern; the build script describes its form.
fn format_pattern(pattern: &str, args: Option<&FluentArgs>) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find(['\u{1}', '\u{3}']) {
        out.push_str(&rest[..at]);
        let inner = &rest[at + 1..];
        let (end, is_variable) = if rest.as_bytes()[at] == 1 { ('\u{2}', true) } else { ('\u{6}', false) };
        let Some((inside, after)) = inner.split_once(end) else { break };
        if is_variable {
            match args.and_then(|args| args.get(inside)) {
                Some(value) => value.write(&mut out),
                None => {
                    out.push_str("{$");
                    out.push_str(inside);
                    out.push('}');
                }
            }
        } else {
            out.push_str(&format_pattern(select(inside, args), args));
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn select<'p>(selector: &'p str, args: Option<&FluentArgs>) -> &'p str {
    let mut parts = selector.split('\u{4}');
    let value = parts.next().and_then(|name| args?.get(name));
    let mut number = String::new();
    if let Some(value) = value {
        value.write(&mut number);
    }
    let mut last = "";
    for (key, text) in parts.filter_map(|variant| variant.split_once('\u{5}')) {
        if key == number || (key == "one" && number == "1") {
            return text;
        }
        last = text;
    }
    last
}


/// The message with an identifier, its variables replaced by the text of the given values.
#[macro_export]
macro_rules! translate_text {
    ($id:expr, $($key:expr => $value:expr),+ $(,)?) => {
        $crate::translate!($id, $($key => $value),+)
    };
}

/// The message with an identifier, its variables replaced by the text of the given values.
#[macro_export]
macro_rules! translate {
    ($id:expr) => {
        $crate::locale::get_message($id)
    };
    ($id:expr, $($key:expr => $value:expr),+ $(,)?) => {
        {
            let mut args = fluent::FluentArgs::new();
            $(
                args.set($key, $value.to_string());
            )+
            $crate::locale::get_message_with_args($id, args)
        }
    };
}

pub use {translate, translate_text};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_selectors_and_references_are_filled_in() {
        let mut args = FluentArgs::new();
        args.set("file", "x".to_owned());
        assert_eq!(get_message_with_args("error-is-a-directory", args), "x: Is a directory");
        for (count, text) in [("1", "1 line is improperly formatted"), ("3", "3 lines are improperly formatted")] {
            let mut args = FluentArgs::new();
            args.set("count", count.to_owned());
            assert_eq!(get_message_with_args("checksum-bad-format", args), text);
        }
        assert_eq!(get_message("no-such-message"), "no-such-message");
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(MESSAGES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
