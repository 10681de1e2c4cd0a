//! `-printf` and `-ls`.

use std::fs;

use agentos_tools_base::io::{bytes_of, complain};
use agentos_tools_base::platform::MetadataExt;

use super::expr::{Found, Which, filesystem_of, letter, time};
use super::walk::State;
use crate::clock::{self, Instant};
use crate::ls::{Style, major, minor, quoted};
use crate::mode;

/// Widest field, so that a format cannot ask for all memory.
const WIDEST: usize = 4096;

/// A piece of a format.
pub(super) enum Piece {
    Text(Vec<u8>),
    Field(Field),
    /// `\c`: nothing more of the format, and at once.
    Stop,
}

pub(super) struct Field {
    left: bool,
    zero: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
    letter: u8,
    /// Second letter of `%Ak` and its kin.
    kind: u8,
}

/// Reads a format.
pub(super) fn pieces(format: &[u8]) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut text = Vec::new();
    let mut rest = format;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\\' => match rest.first() {
                Some(b'c') => {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                    pieces.push(Piece::Stop);
                    return Ok(pieces);
                }
                Some(b'0'..=b'7') => {
                    let digits = rest.iter().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
                    let value = rest[..digits]
                        .iter()
                        .fold(0_u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
                    text.push(value as u8);
                    rest = &rest[digits..];
                }
                _ => {
                    let (bytes, taken) = crate::small::unescape(rest);
                    text.extend_from_slice(&bytes);
                    rest = &rest[taken..];
                }
            },
            b'%' if rest.first() == Some(&b'%') => {
                text.push(b'%');
                rest = &rest[1..];
            }
            b'%' => {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                let (piece, taken) = field(rest)?;
                pieces.push(piece);
                rest = &rest[taken..];
            }
            _ => text.push(byte),
        }
    }
    pieces.push(Piece::Text(text));
    Ok(pieces)
}

fn field(text: &[u8]) -> Result<(Piece, usize), String> {
    let mut field = Field {
        left: false,
        zero: false,
        plus: false,
        width: 0,
        precision: None,
        letter: 0,
        kind: 0,
    };
    let mut at = 0;
    while let Some(flag) = text.get(at).filter(|b| b"-0+# ".contains(b)) {
        match flag {
            b'-' => field.left = true,
            b'0' => field.zero = true,
            b'+' => field.plus = true,
            _ => {}
        }
        at += 1;
    }
    let number = |at: &mut usize| {
        let digits = text[*at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let value: usize = String::from_utf8_lossy(&text[*at..*at + digits]).parse().unwrap_or(0);
        *at += digits;
        value.min(WIDEST)
    };
    field.width = number(&mut at);
    if text.get(at) == Some(&b'.') {
        at += 1;
        field.precision = Some(number(&mut at));
    }
    field.letter = *text.get(at).ok_or("error: % at end of format string")?;
    at += 1;
    if b"ABCTW".contains(&field.letter) {
        field.kind = *text.get(at).ok_or("error: the format directive is incomplete")?;
        at += 1;
    }
    if !b"abcdDfFgGhHiklmMnpPsStuUyYZABCTW".contains(&field.letter) {
        complain(
            "find",
            format_args!("warning: unrecognized format directive '%{}'", char::from(field.letter)),
        );
        return Ok((Piece::Text([b"%", &text[..at]].concat()), at));
    }
    Ok((Piece::Field(field), at))
}

/// A file in a format.
pub(super) fn formatted(pieces: &[Piece], file: &Found<'_>, state: &mut State) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Stop => break,
            Piece::Field(field) => {
                let text = value(field, file, state);
                let text = &text[..text.len().min(field.precision.unwrap_or(usize::MAX))];
                let fill = field.width.saturating_sub(text.len());
                let pad = if field.zero && !field.left && text.iter().all(u8::is_ascii_digit) {
                    b'0'
                } else {
                    b' '
                };
                if field.left {
                    out.extend_from_slice(text);
                    out.resize(out.len() + fill, b' ');
                } else {
                    out.resize(out.len() + fill, pad);
                    out.extend_from_slice(text);
                }
            }
        }
    }
    out
}

fn value(field: &Field, file: &Found<'_>, state: &mut State) -> Vec<u8> {
    let path = bytes_of(file.path.as_os_str());
    match field.letter {
        b'p' => return path.to_vec(),
        b'f' => return basename(path),
        b'h' => return dirname(path),
        b'H' => return bytes_of(file.root.as_os_str()).to_vec(),
        b'P' => return below(path, bytes_of(file.root.as_os_str())),
        b'd' => return file.depth.to_string().into_bytes(),
        b'l' => {
            let target = if file.letter() == b'l' {
                fs::read_link(file.path).ok()
            } else {
                None
            };
            return target
                .map(|target| bytes_of(target.as_os_str()).to_vec())
                .unwrap_or_default();
        }
        b'y' => return vec![file.letter()],
        b'Y' => {
            return vec![match fs::metadata(file.path) {
                Ok(meta) => letter(&meta),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => b'N',
                Err(error) if error.to_string().contains("symbolic links") => b'L',
                Err(_) => b'?',
            }];
        }
        b'F' => return filesystem_of(file.path).into_bytes(),
        b'Z' => return b"?".to_vec(),
        _ => {}
    }
    let Some(meta) = file.meta() else { return Vec::new() };
    let sign = if field.plus { "+" } else { "" };
    let text = match field.letter {
        b'a' => return ctime(time(meta, Which::Access), state),
        b'c' => return ctime(time(meta, Which::Change), state),
        b't' => return ctime(time(meta, Which::Modify), state),
        b'A' => return moment(time(meta, Which::Access), field.kind, state),
        b'B' | b'W' => return moment(time(meta, Which::Birth), field.kind, state),
        b'C' => return moment(time(meta, Which::Change), field.kind, state),
        b'T' => return moment(time(meta, Which::Modify), field.kind, state),
        b'b' => meta.blocks().to_string(),
        b'k' => meta.blocks().div_ceil(2).to_string(),
        b'D' => meta.dev().to_string(),
        b'g' => state.names.group(meta.gid()).to_owned(),
        b'G' => meta.gid().to_string(),
        b'i' => meta.ino().to_string(),
        b'm' => format!("{:o}", meta.mode() & 0o7777),
        b'M' => mode::shown(meta.mode()),
        b'n' => meta.nlink().to_string(),
        b's' => format!("{sign}{}", meta.len()),
        b'S' => sparseness(meta.blocks(), meta.len()),
        b'u' => state.names.user(meta.uid()).to_owned(),
        b'U' => meta.uid().to_string(),
        _ => String::new(),
    };
    text.into_bytes()
}

/// Six significant digits, as `%g` has it.
fn sparseness(blocks: u64, size: u64) -> String {
    if size == 0 {
        return if blocks == 0 { "1".to_owned() } else { "-nan".to_owned() };
    }
    let ratio = blocks as f64 * 512.0 / size as f64;
    let digits = if ratio == 0.0 {
        0
    } else {
        5 - ratio.log10().floor() as i32
    };
    let text = format!("{ratio:.*}", usize::try_from(digits.clamp(0, 12)).unwrap_or(0));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// What stands before the last slash, as it stands there.
fn dirname(path: &[u8]) -> Vec<u8> {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => path[..at].to_vec(),
        None => b".".to_vec(),
    }
}

/// The last component; a slash that a starting point was written with stays.
fn basename(path: &[u8]) -> Vec<u8> {
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
    match path[..end].iter().rposition(|b| *b == b'/') {
        Some(at) => path[at + 1..].to_vec(),
        None => path.to_vec(),
    }
}

fn below(path: &[u8], root: &[u8]) -> Vec<u8> {
    let rest = path.strip_prefix(root).unwrap_or(path);
    rest.strip_prefix(b"/").unwrap_or(rest).to_vec()
}

fn ctime(at: Option<Instant>, state: &State) -> Vec<u8> {
    let Some(at) = at else { return Vec::new() };
    let mut out = Vec::new();
    clock::format(b"%a %b %e %H:%M:%S.%N0 %Y", &state.zone.civil(at), &mut out);
    out
}

fn moment(at: Option<Instant>, kind: u8, state: &State) -> Vec<u8> {
    let Some(at) = at else { return Vec::new() };
    let pattern: &[u8] = match kind {
        b'@' => return format!("{}.{:09}0", at.secs, at.nanos).into_bytes(),
        b'+' => b"%Y-%m-%d+%H:%M:%S.%N0",
        b'S' => b"%S.%N0",
        b'T' => b"%H:%M:%S.%N0",
        b'X' => b"%H:%M:%S.%N0",
        b'r' => b"%I:%M:%S.%N0 %p",
        other => &[b'%', other],
    };
    let mut out = Vec::new();
    clock::format(pattern, &state.zone.civil(at), &mut out);
    out
}

/// A file as `ls -dils` shows it.
pub(super) fn listed(file: &Found<'_>, state: &mut State) -> Vec<u8> {
    let Some(meta) = file.meta() else { return Vec::new() };
    let user = state.names.user(meta.uid()).to_owned();
    let group = state.names.group(meta.gid()).to_owned();
    let kind = file.letter();
    let size = if matches!(kind, b'b' | b'c') {
        format!("{:>3}, {:>3}", major(meta.rdev()), minor(meta.rdev()))
    } else {
        format!("{:>8}", meta.len())
    };
    let at = Instant::new(meta.mtime(), meta.mtime_nsec());
    let now = Instant::now().secs;
    let recent = at.secs > now - 31_556_952 / 2 && at.secs <= now + 3600;
    let mut date = Vec::new();
    let pattern: &[u8] = if recent { b"%b %e %H:%M" } else { b"%b %e  %Y" };
    clock::format(pattern, &state.zone.civil(at), &mut date);
    let mut out = format!(
        "{:>9} {:>6} {} {:>3} {user:<8} {group:<8} {size} ",
        meta.ino(),
        meta.blocks().div_ceil(2),
        mode::shown(meta.mode()),
        meta.nlink(),
    )
    .into_bytes();
    out.extend(date);
    out.push(b' ');
    out.extend(quoted(bytes_of(file.path.as_os_str()), Style::Escape, false));
    if kind == b'l'
        && let Ok(target) = fs::read_link(file.path)
    {
        out.extend_from_slice(b" -> ");
        out.extend(quoted(bytes_of(target.as_os_str()), Style::Escape, false));
    }
    out.push(b'\n');
    out
}
