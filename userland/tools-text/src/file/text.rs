//! Text: its encoding, its language, its line ends.

use super::Kind;

/// The kind of text that `head` is, if it is text.
pub fn of(head: &[u8]) -> Option<Kind> {
    let (encoding_words, encoding) = encoding(head)?;
    let (language, mime, executable) = language(head, encoding);
    let mut words = match language.as_str() {
        "" => format!("{encoding_words} text"),
        "JSON text data" => {
            return Some(Kind {
                words: language,
                mime,
                encoding,
            });
        }
        _ => format!("{language}, {encoding_words} text"),
    };
    if executable {
        words.push_str(" executable");
    }
    words.push_str(&lines(head));
    Some(Kind { words, mime, encoding })
}

/// Encoding in words and as a name; `None` when it is no text.
fn encoding(head: &[u8]) -> Option<(&'static str, &'static str)> {
    if head.starts_with(&[0xff, 0xfe]) && head.len().is_multiple_of(2) {
        return Some(("Unicode text, UTF-16, little-endian", "utf-16le"));
    }
    if head.starts_with(&[0xfe, 0xff]) && head.len().is_multiple_of(2) {
        return Some(("Unicode text, UTF-16, big-endian", "utf-16be"));
    }
    let control = |b: &u8| matches!(b, 0..=6 | 14..=26 | 28..=31 | 127);
    if head.iter().any(control) {
        return None;
    }
    if head.is_ascii() {
        return Some(("ASCII", "us-ascii"));
    }
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        // The end of what was read may cut a character.
        Err(error) => error.error_len().is_none() && head.len() as u64 >= super::HEAD,
    };
    if valid {
        let mark = head.starts_with(&[0xef, 0xbb, 0xbf]);
        return Some((
            if mark {
                "Unicode text, UTF-8 (with BOM)"
            } else {
                "Unicode text, UTF-8"
            },
            "utf-8",
        ));
    }
    let latin = head.iter().all(|b| !(0x80..0xa0).contains(b));
    Some(if latin {
        ("ISO-8859", "iso-8859-1")
    } else {
        ("Non-ISO extended-ASCII", "unknown-8bit")
    })
}

/// Interpreters by their last name, what a script for them is called, its MIME type.
const INTERPRETERS: &[(&str, &str, &str)] = &[
    ("sh", "POSIX shell script", "text/x-shellscript"),
    ("dash", "POSIX shell script", "text/x-shellscript"),
    ("bash", "Bourne-Again shell script", "text/x-shellscript"),
    ("zsh", "Paul Falstad's zsh script", "text/x-shellscript"),
    ("ksh", "Korn shell script", "text/x-shellscript"),
    ("python", "Python script", "text/x-script.python"),
    ("perl", "Perl script", "text/x-perl"),
    ("ruby", "Ruby script", "text/x-ruby"),
    ("node", "Node.js script executable", "application/javascript"),
    ("awk", "awk script", "text/x-awk"),
    ("php", "PHP script", "text/x-php"),
];

/// Language, MIME type, and whether it is a script.
fn language(head: &[u8], encoding: &str) -> (String, String, bool) {
    let text = String::from_utf8_lossy(&head[..head.len().min(1 << 16)]);
    if let Some(rest) = text.strip_prefix("#!") {
        let line = rest.lines().next().unwrap_or("").trim();
        let mut words = line.split_whitespace();
        let mut program = words.next().unwrap_or("");
        let env = program.ends_with("/env");
        if env {
            program = words.find(|word| !word.starts_with('-')).unwrap_or("");
        }
        let name = program
            .rsplit('/')
            .next()
            .unwrap_or("")
            .trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        if let Some((_, words, mime)) = INTERPRETERS.iter().find(|(known, _, _)| *known == name) {
            return ((*words).to_owned(), (*mime).to_owned(), true);
        }
        return (format!("a {line} script"), "text/plain".to_owned(), true);
    }
    let known = |language: &str, mime: &str| (language.to_owned(), mime.to_owned(), false);
    if encoding != "utf-16le" && encoding != "utf-16be" && is_json(head) {
        return known("JSON text data", "application/json");
    }
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let lower = start
        .get(..start.len().min(200))
        .map_or_else(String::new, str::to_lowercase);
    if lower.starts_with("<?xml") {
        let version = start.split('"').nth(1).unwrap_or("1.0");
        if lower.contains("<svg") {
            return known("SVG Scalable Vector Graphics image", "image/svg+xml");
        }
        return known(&format!("XML {version} document"), "text/xml");
    }
    if lower.starts_with("<svg") {
        return known("SVG Scalable Vector Graphics image", "image/svg+xml");
    }
    if ["<!doctype html", "<html", "<head", "<body", "<title"]
        .iter()
        .any(|tag| lower.starts_with(tag))
    {
        return known("HTML document", "text/html");
    }
    if lower.starts_with("<?php") {
        return known("PHP script", "text/x-php");
    }
    if lower.starts_with("%!ps") {
        return known("PostScript document text", "application/postscript");
    }
    let has_line = |test: &dyn Fn(&str) -> bool| text.lines().take(400).any(test);
    if has_line(&|line| line.starts_with("#include <") || line.starts_with("#include \"")) {
        return known("C source", "text/x-c");
    }
    if has_line(&|line| line.starts_with("diff --git ") || line.starts_with("--- "))
        && has_line(&|line| line.starts_with("@@ -"))
    {
        return known("unified diff output", "text/x-diff");
    }
    let python = |line: &str| {
        (line.starts_with("def ") && line.contains('(') && line.trim_end().ends_with(':'))
            || (line.starts_with("from ") && line.contains(" import "))
    };
    if has_line(&python) {
        return known("Python script", "text/x-script.python");
    }
    if has_line(&|line| line.starts_with("public class ") || line.starts_with("import java.")) {
        return known("Java source", "text/x-java");
    }
    known("", "text/plain")
}

/// Whether the text is one JSON object or array, without recursion.
fn is_json(head: &[u8]) -> bool {
    let mut stack = Vec::new();
    let mut at = 0;
    let mut complete = false;
    let mut values = 0;
    while at < head.len() {
        let byte = head[at];
        at += 1;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' if !stack.is_empty() || byte.is_ascii_whitespace() => {}
            _ if complete => return false,
            b'{' | b'[' => stack.push(byte),
            b'}' | b']' => {
                if stack.pop() != Some(if byte == b'}' { b'{' } else { b'[' }) {
                    return false;
                }
                complete = stack.is_empty();
            }
            b'"' if !stack.is_empty() => {
                values += 1;
                loop {
                    match head.get(at) {
                        None => return false,
                        Some(b'"') => break,
                        Some(b'\\') => at += 2,
                        Some(_) => at += 1,
                    }
                }
                at += 1;
            }
            _ if !stack.is_empty() => {
                let word = head[at - 1..]
                    .iter()
                    .take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b))
                    .count();
                let word = &head[at - 1..at - 1 + word];
                let literal = matches!(word, b"true" | b"false" | b"null");
                let number = std::str::from_utf8(word).is_ok_and(|text| text.parse::<f64>().is_ok());
                if !literal && !number {
                    return false;
                }
                values += 1;
                at += word.len() - 1;
            }
            _ => return false,
        }
    }
    complete && (values > 0 || head.trim_ascii().len() == 2)
}

/// What is remarkable about lines.
fn lines(head: &[u8]) -> String {
    let mut out = String::new();
    let longest = head.split(|&b| b == b'\n').map(<[u8]>::len).max().unwrap_or(0);
    if longest > 300 {
        out.push_str(&format!(", with very long lines ({longest})"));
    }
    let newlines = memchr::memchr_iter(b'\n', head).count();
    let pairs = memchr::memmem::find_iter(head, b"\r\n").count();
    let returns = memchr::memchr_iter(b'\r', head).count() - pairs;
    let mut ends = Vec::new();
    if pairs > 0 {
        ends.push("CRLF");
    }
    if returns > 0 {
        ends.push("CR");
    }
    if newlines > pairs && !ends.is_empty() {
        ends.push("LF");
    }
    if newlines == 0 && returns == 0 {
        out.push_str(", with no line terminators");
    } else if !ends.is_empty() {
        out.push_str(&format!(", with {} line terminators", ends.join(", ")));
    }
    if head.contains(&0x1b) {
        out.push_str(", with escape sequences");
    }
    out
}
