//! `@csv` and `@tsv`.

use super::errors::described;
use crate::json::number_text;
use jaq_json::{Error, Val};

/// Which of both.
#[derive(Clone, Copy, PartialEq)]
pub enum Format {
    Csv,
    Tsv,
}

/// An array of scalars as one line.
///
/// # Errors
///
/// When it is something else.
pub fn row(value: &Val, format: Format) -> Result<Val, Error> {
    let name = if format == Format::Csv { "csv" } else { "tsv" };
    let Val::Arr(items) = value else {
        return Err(Error::str(format!(
            "{} cannot be {name}-formatted, only an array can be",
            described(value)
        )));
    };
    let mut out = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(if format == Format::Csv { b',' } else { b'\t' });
        }
        match item {
            Val::Null => {}
            Val::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Val::Num(number) => out.extend_from_slice(number_text(number).as_bytes()),
            Val::TStr(text) | Val::BStr(text) if format == Format::Csv => {
                out.push(b'"');
                for &byte in text.iter() {
                    if byte == b'"' {
                        out.push(b'"');
                    }
                    out.push(byte);
                }
                out.push(b'"');
            }
            Val::TStr(text) | Val::BStr(text) => text.iter().for_each(|&byte| match byte {
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\t' => out.extend_from_slice(b"\\t"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                _ => out.push(byte),
            }),
            Val::Arr(_) | Val::Obj(_) => {
                return Err(Error::str(format!("{} is not valid in a {name} row", described(item))));
            }
        }
    }
    Ok(Val::utf8_str(out))
}
