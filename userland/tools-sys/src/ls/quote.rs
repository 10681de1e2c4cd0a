//! Names as `ls` shows them.

use unicode_width::UnicodeWidthChar;

/// How names are quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Literal,
    Shell,
    ShellAlways,
    ShellEscape,
    ShellEscapeAlways,
    C,
    Escape,
    Locale,
}

impl Style {
    /// Names of the styles on the command line.
    pub(crate) const CHOICES: &'static [(&'static str, Self)] = &[
        ("literal", Self::Literal),
        ("shell", Self::Shell),
        ("shell-always", Self::ShellAlways),
        ("shell-escape", Self::ShellEscape),
        ("shell-escape-always", Self::ShellEscapeAlways),
        ("c", Self::C),
        ("escape", Self::Escape),
        ("locale", Self::Locale),
        ("clocale", Self::Locale),
    ];

    /// Whether names are quoted only where that is needed, so that those without want a space to line up.
    pub(super) fn varies(self) -> bool {
        matches!(self, Self::Shell | Self::ShellEscape)
    }
}

/// A piece of a name: a character, or a byte that is part of none.
enum Piece {
    Char(char),
    Byte(u8),
}

fn pieces(name: &[u8]) -> impl Iterator<Item = Piece> + '_ {
    name.utf8_chunks().flat_map(|chunk| {
        chunk
            .valid()
            .chars()
            .map(Piece::Char)
            .chain(chunk.invalid().iter().copied().map(Piece::Byte))
    })
}

fn is_printable(c: char) -> bool {
    !c.is_control() && (c == ' ' || c.width().is_some())
}

/// The name as it is shown. `marks` puts a question mark for what cannot be printed, where the style does not escape it.
pub(crate) fn quoted(name: &[u8], style: Style, marks: bool) -> Vec<u8> {
    match style {
        Style::Literal => literal(name, marks),
        Style::Shell | Style::ShellAlways => shell(name, style == Style::ShellAlways, marks),
        Style::ShellEscape | Style::ShellEscapeAlways => shell_escape(name, style == Style::ShellEscapeAlways),
        Style::C => [b"\"", escaped(name, b"\"").as_slice(), b"\""].concat(),
        Style::Escape => escaped(name, b" "),
        Style::Locale => ["'".as_bytes(), &escaped(name, b"'"), b"'"].concat(),
    }
}

fn literal(name: &[u8], marks: bool) -> Vec<u8> {
    if !marks {
        return name.to_vec();
    }
    let mut out = Vec::new();
    for piece in pieces(name) {
        match piece {
            Piece::Char(c) if is_printable(c) => push(&mut out, c),
            _ => out.push(b'?'),
        }
    }
    out
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn needs_quotes(name: &[u8]) -> bool {
    const SPECIAL: &[u8] = b" \t\n!\"$&'()*;<=>?[\\^`|";
    name.is_empty()
        || matches!(name[0], b'#' | b'~')
        || matches!(name, b"{" | b"}")
        || name.iter().any(|b| SPECIAL.contains(b))
}

fn shell(name: &[u8], always: bool, marks: bool) -> Vec<u8> {
    let text = literal(name, marks);
    if !always && !needs_quotes(&text) && !name.iter().any(u8::is_ascii_control) {
        return text;
    }
    in_quotes(&text)
}

/// In double quotes if that saves escaping a single quote, else in single quotes.
fn in_quotes(text: &[u8]) -> Vec<u8> {
    if text.contains(&b'\'') && !text.iter().any(|b| b"\"$`\\!".contains(b)) {
        return [b"\"", text, b"\""].concat();
    }
    let mut out = vec![b'\''];
    for byte in text {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            byte => out.push(*byte),
        }
    }
    out.push(b'\'');
    out
}

fn shell_escape(name: &[u8], always: bool) -> Vec<u8> {
    let plain = pieces(name).all(|piece| matches!(piece, Piece::Char(c) if is_printable(c)));
    if plain {
        return if always || needs_quotes(name) {
            in_quotes(name)
        } else {
            name.to_vec()
        };
    }
    let mut out = vec![b'\''];
    let mut in_escape = false;
    for piece in pieces(name) {
        let code = match piece {
            Piece::Char(c) if is_printable(c) => {
                if in_escape {
                    out.extend_from_slice(b"''");
                    in_escape = false;
                }
                match c {
                    '\'' => out.extend_from_slice(b"'\\''"),
                    c => push(&mut out, c),
                }
                continue;
            }
            Piece::Char(c) => c.encode_utf8(&mut [0; 4]).as_bytes().to_vec(),
            Piece::Byte(byte) => vec![byte],
        };
        if !in_escape {
            out.extend_from_slice(b"'$'");
            in_escape = true;
        }
        for byte in code {
            out.extend_from_slice(escape(byte).as_bytes());
        }
    }
    out.push(b'\'');
    // What begins with an escape needs no empty quotes before it.
    if out.starts_with(b"''$'") {
        out.split_off(2)
    } else {
        out
    }
}

fn escape(byte: u8) -> String {
    match byte {
        7 => "\\a".to_owned(),
        8 => "\\b".to_owned(),
        12 => "\\f".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        b'\t' => "\\t".to_owned(),
        11 => "\\v".to_owned(),
        byte => format!("\\{byte:03o}"),
    }
}

/// With the escapes of C; a backslash and the bytes of `also` are escaped too.
fn escaped(name: &[u8], also: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces(name) {
        match piece {
            Piece::Char('\\') => out.extend_from_slice(b"\\\\"),
            Piece::Char(c) if c.is_ascii() && also.contains(&(c as u8)) => out.extend_from_slice(&[b'\\', c as u8]),
            Piece::Char(c) if is_printable(c) => push(&mut out, c),
            Piece::Char(c) => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    out.extend_from_slice(escape(byte).as_bytes());
                }
            }
            Piece::Byte(byte) => out.extend_from_slice(escape(byte).as_bytes()),
        }
    }
    out
}

/// Columns that a text takes on a terminal.
pub(crate) fn columns(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    pieces(text)
        .map(|piece| {
            if let Piece::Char(c) = piece {
                c.width().unwrap_or(0)
            } else {
                1
            }
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_ls_does() {
        let of = |name: &[u8], style| String::from_utf8_lossy(&quoted(name, style, false)).into_owned();
        assert_eq!(of(b"a b", Style::ShellEscape), "'a b'");
        assert_eq!(of(b"plain", Style::ShellEscape), "plain");
        assert_eq!(of(b"it's", Style::ShellEscape), "\"it's\"");
        assert_eq!(of(b"a\nb", Style::ShellEscape), "'a'$'\\n''b'");
        assert_eq!(of(b"\x01", Style::ShellEscape), "$'\\001'");
        assert_eq!(of(b"a\xffb", Style::ShellEscape), "'a'$'\\377''b'");
        assert_eq!(of(b"a b\t", Style::Escape), "a\\ b\\t");
        assert_eq!(of(b"a\"b", Style::C), "\"a\\\"b\"");
        assert_eq!(String::from_utf8_lossy(&quoted(b"a\nb", Style::Literal, true)), "a?b");
        assert_eq!(columns("a\u{4e2d}".as_bytes()), 3);
    }
}
