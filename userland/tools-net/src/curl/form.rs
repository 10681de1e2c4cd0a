//! `-F`: forms of several parts (RFC 7578).

use super::config::FormPart;
use super::parse::Misuse;
use crate::engine::{Body, Piece, Result};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Parts of `NAME=CONTENT`, where the content is text, `@FILE[,FILE]...` or `<FILE`, with `;type=`, `;filename=` and
/// `;headers=` behind it.
pub(super) fn parse(text: &str) -> std::result::Result<Vec<FormPart>, Misuse> {
    let (name, rest) = text.split_once('=').ok_or_else(illegal)?;
    let (upload, rest) = match rest.chars().next() {
        Some('@') => (Some(true), &rest[1..]),
        Some('<') => (Some(false), &rest[1..]),
        _ => (None, rest),
    };
    if upload.is_none() && !rest.starts_with('"') && !rest.contains(";type=") && !rest.contains(";filename=") {
        return Ok(vec![part(name, Piece::Bytes(rest.as_bytes().into()))]);
    }
    let mut parts = Vec::new();
    let mut rest = rest;
    loop {
        let (word, after) = word(rest, if upload == Some(true) { &[';', ','] } else { &[';'] });
        let mut made = match upload {
            None => part(name, Piece::Bytes(word.as_bytes().into())),
            Some(shown) => of_file(name, &word, shown)?,
        };
        let after = attributes(&mut made, after);
        parts.push(made);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(parts),
        }
    }
}

/// A part of `--form-string`.
pub(super) fn literal(text: &str) -> std::result::Result<FormPart, Misuse> {
    let (name, value) = text.split_once('=').ok_or_else(illegal)?;
    Ok(part(name, Piece::Bytes(value.as_bytes().into())))
}

/// The body of a form, and its content type.
pub(super) fn body(parts: &[FormPart]) -> Result<(Body, String)> {
    let boundary = boundary();
    let mut pieces = Vec::new();
    for part in parts {
        pieces.push(Piece::Bytes(part_head(part, &boundary).into_bytes().into()));
        pieces.push(part.content.clone());
        pieces.push(Piece::Bytes(b"\r\n"[..].into()));
    }
    pieces.push(Piece::Bytes(format!("--{boundary}--\r\n").into_bytes().into()));
    Ok((Body::new(pieces), format!("multipart/form-data; boundary={boundary}")))
}

fn part_head(part: &FormPart, boundary: &str) -> String {
    let mut head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"",
        quoted(&part.name)
    );
    if let Some(name) = &part.filename {
        let _ = write!(head, "; filename=\"{}\"", quoted(name));
    }
    head.push_str("\r\n");
    if let Some(kind) = &part.kind {
        let _ = write!(head, "Content-Type: {}\r\n", one_line(kind));
    }
    for header in &part.headers {
        let _ = write!(head, "{}\r\n", one_line(header));
    }
    head.push_str("\r\n");
    head
}

fn part(name: &str, content: Piece) -> FormPart {
    FormPart {
        name: name.to_owned(),
        filename: None,
        kind: None,
        headers: Vec::new(),
        content,
    }
}

fn of_file(name: &str, file: &str, shown: bool) -> std::result::Result<FormPart, Misuse> {
    let content = if file == "-" {
        let bytes = agentos_tools_base::io::read_all(OsStr::new("-")).unwrap_or_default();
        Piece::Bytes(bytes.into())
    } else {
        let known = std::fs::metadata(file).map_err(|_| Misuse {
            code: 26,
            text: format!("Failed to open/read local data from file/application: {file}"),
            hint: false,
        })?;
        Piece::File {
            path: PathBuf::from(file),
            from: 0,
            len: known.is_file().then_some(known.len()),
        }
    };
    let mut made = part(name, content);
    if shown {
        let base = Path::new(file)
            .file_name()
            .map(|base| base.to_string_lossy().into_owned());
        made.filename = base.or_else(|| Some(file.to_owned()));
        made.kind = Some(kind_of(file).to_owned());
    }
    Ok(made)
}

/// Takes `;key=value` off; returns what follows them.
fn attributes<'a>(part: &mut FormPart, mut rest: &'a str) -> &'a str {
    while let Some(after) = rest.strip_prefix(';') {
        let after = after.trim_start();
        let Some((key, value)) = after.split_once('=') else {
            return "";
        };
        let stop: &[char] = if key == "type" { &[','] } else { &[';', ','] };
        let (value, after) = typed(key, value, stop);
        match key {
            "type" => part.kind = Some(value),
            "filename" => part.filename = Some(value),
            "headers" => part.headers.push(value),
            _ => {}
        }
        rest = after;
    }
    rest
}

/// A value; a type goes on over parameters of its own until another key of ours.
fn typed<'a>(key: &str, value: &'a str, stop: &[char]) -> (String, &'a str) {
    if key != "type" {
        return word(value, stop);
    }
    let ends = [";filename=", ";headers=", ";encoder=", ","].map(|end| value.find(end).unwrap_or(value.len()));
    let end = ends.into_iter().min().unwrap_or(value.len());
    (
        value.get(..end).unwrap_or_default().trim().to_owned(),
        value.get(end..).unwrap_or_default(),
    )
}

/// A word in quotes with backslashes, or up to a stop.
fn word<'a>(text: &'a str, stop: &[char]) -> (String, &'a str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(stop).unwrap_or(text.len());
        return (
            text.get(..end).unwrap_or_default().to_owned(),
            text.get(end..).unwrap_or_default(),
        );
    };
    let mut out = String::new();
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => {
                out.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (out, quoted.get(at + 1..).unwrap_or_default()),
            _ => out.push(c),
        }
    }
    (out, "")
}

fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

fn illegal() -> Misuse {
    Misuse {
        code: 2,
        text: "Illegally formatted input field".to_owned(),
        hint: false,
    }
}

/// A type by the ending of a file's name.
fn kind_of(name: &str) -> &'static str {
    let ending = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain",
        "htm" | "html" => "text/html",
        "pdf" => "application/pdf",
        "xml" => "application/xml",
        _ => "application/octet-stream",
    }
}

fn boundary() -> String {
    // Sixteen digits that no part can guess: the hasher's keys are random.
    use std::hash::{BuildHasher, RandomState};
    let word = RandomState::new().hash_one(std::process::id());
    format!("------------------------{word:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_files_and_attributes_are_read() {
        let parts = parse("a=b;c").unwrap();
        assert!(matches!(&parts[0].content, Piece::Bytes(bytes) if bytes.as_ref() == b"b;c"));
        let parts = parse("a=\"x;y\";type=text/x; charset=utf-8;filename=\"q\\\"r\"").unwrap();
        assert_eq!(parts[0].kind.as_deref(), Some("text/x; charset=utf-8"));
        assert_eq!(parts[0].filename.as_deref(), Some("q\"r"));
        let parts = parse("f=@Cargo.toml,Cargo.toml;type=a/b").unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].kind.as_deref(), Some("application/octet-stream"));
        assert_eq!(parts[1].kind.as_deref(), Some("a/b"));
        assert_eq!(parse("f=@/no/such").unwrap_err().code, 26);
        assert_eq!(parse("nothing").unwrap_err().code, 2);
    }

    #[test]
    fn a_part_cannot_break_out_of_its_head() {
        let mut part = literal("n\"\r\nX: y=v").unwrap();
        part.kind = Some("a/b\r\nEvil: 1".to_owned());
        let head = part_head(&part, "B");
        assert_eq!(head.lines().count(), 4, "{head}");
        assert!(head.contains("name=\"n%22%0D%0AX: y\""));
    }
}
