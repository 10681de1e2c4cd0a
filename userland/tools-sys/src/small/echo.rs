//! `echo`, as GNU's.

use std::ffi::OsString;

use agentos_tools_base::io::bytes_of;

use super::escape::{self, Octal};
use crate::write;

pub(super) fn echo(args: &[OsString]) -> Option<i32> {
    if matches!(args, [_, only] if only == "--help" || only == "--version") {
        return None;
    }
    let (mut newline, mut escapes) = (true, false);
    let mut words = args.get(1..).unwrap_or_default();
    while let Some((first, rest)) = words.split_first() {
        let Some(letters) = bytes_of(first).strip_prefix(b"-") else {
            break;
        };
        if letters.is_empty() || !letters.iter().all(|b| b"neE".contains(b)) {
            break;
        }
        newline &= !letters.contains(&b'n');
        if let Some(last) = letters.iter().rfind(|b| **b != b'n') {
            escapes = *last == b'e';
        }
        words = rest;
    }
    let mut out = Vec::new();
    let mut open = true;
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        open = if escapes {
            escape::expand(bytes_of(word), Octal::Leading, &mut out)
        } else {
            out.extend_from_slice(bytes_of(word));
            true
        };
        if !open {
            break;
        }
    }
    if newline && open {
        out.push(b'\n');
    }
    Some(write::all("echo", &out))
}
