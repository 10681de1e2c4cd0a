//! JSON text out.

use jaq_json::{Num, Val};

/// How to write.
#[derive(Clone, Debug, Default)]
pub struct Style {
    /// What one level is indented by; `None` writes everything on one line.
    pub indent: Option<String>,
    /// Objects in the order of their keys.
    pub sort_keys: bool,
    /// Everything beyond ASCII as escapes.
    pub ascii: bool,
    /// Colours.
    pub color: bool,
}

const RESET: &str = "\x1b[0m";
const STRUCTURE: &str = "\x1b[1;39m";
const KEY: &str = "\x1b[34;1m";

/// Appends `value`.
pub fn write(out: &mut Vec<u8>, value: &Val, style: &Style) {
    Writer { out, style }.value(value, 0);
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    style: &'a Style,
}

impl Writer<'_> {
    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn paint(&mut self, color: &str, text: &str) {
        if self.style.color {
            self.push(color);
        }
        self.push(text);
        if self.style.color {
            self.push(RESET);
        }
    }

    fn value(&mut self, value: &Val, depth: usize) {
        match value {
            Val::Null => self.paint("\x1b[1;30m", "null"),
            Val::Bool(value) => self.paint("\x1b[0;39m", if *value { "true" } else { "false" }),
            Val::Num(number) => self.paint("\x1b[0;39m", &number_text(number)),
            Val::TStr(text) => self.colored_string("\x1b[0;32m", text),
            Val::BStr(bytes) => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                self.colored_string("\x1b[0;32m", text.as_bytes());
            }
            Val::Arr(items) if items.is_empty() => self.paint(STRUCTURE, "[]"),
            Val::Obj(map) if map.is_empty() => self.paint(STRUCTURE, "{}"),
            Val::Arr(items) => {
                self.start("[");
                for (index, item) in items.iter().enumerate() {
                    self.separate(index, depth + 1);
                    self.value(item, depth + 1);
                }
                self.finish("]", depth);
            }
            Val::Obj(map) => {
                let mut entries: Vec<(&Val, &Val)> = map.iter().collect();
                if self.style.sort_keys {
                    entries.sort_by(|a, b| a.0.cmp(b.0));
                }
                self.start("{");
                for (index, (key, item)) in entries.into_iter().enumerate() {
                    self.separate(index, depth + 1);
                    match key {
                        Val::TStr(text) => self.colored_string(KEY, text),
                        other => self.value(other, depth + 1),
                    }
                    let colon = if self.style.indent.is_some() { ": " } else { ":" };
                    if self.style.color {
                        self.push(STRUCTURE);
                        self.push(colon.trim_end());
                        self.push(RESET);
                        self.push(&colon[1..]);
                    } else {
                        self.push(colon);
                    }
                    self.value(item, depth + 1);
                }
                self.finish("}", depth);
            }
        }
    }

    fn start(&mut self, bracket: &str) {
        if self.style.color {
            self.push(STRUCTURE);
        }
        self.push(bracket);
    }

    /// What stands before item `index`.
    fn separate(&mut self, index: usize, depth: usize) {
        if index > 0 {
            if self.style.color {
                self.push(STRUCTURE);
            }
            self.push(",");
        }
        self.line(depth);
        if self.style.color {
            self.push(RESET);
        }
    }

    fn finish(&mut self, bracket: &str, depth: usize) {
        if self.style.color {
            self.push(STRUCTURE);
        }
        self.line(depth);
        self.push(bracket);
        if self.style.color {
            self.push(RESET);
        }
    }

    fn line(&mut self, depth: usize) {
        if let Some(indent) = &self.style.indent {
            self.out.push(b'\n');
            for _ in 0..depth {
                self.out.extend_from_slice(indent.as_bytes());
            }
        }
    }

    fn colored_string(&mut self, color: &str, text: &[u8]) {
        if self.style.color {
            self.push(color);
        }
        self.string(text);
        if self.style.color {
            self.push(RESET);
        }
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        match std::str::from_utf8(text) {
            Ok(valid) => self.characters(valid),
            Err(_) => self.characters(&String::from_utf8_lossy(text)),
        }
        self.out.push(b'"');
    }

    fn characters(&mut self, text: &str) {
        let special = |b: &u8| *b < 0x20 || matches!(*b, b'"' | b'\\' | 0x7f) || (self.style.ascii && *b >= 0x80);
        if !text.as_bytes().iter().any(special) {
            self.push(text);
            return;
        }
        let mut plain = 0;
        for (at, character) in text.char_indices() {
            let escape: Option<&str> = match character {
                '"' => Some("\\\""),
                '\\' => Some("\\\\"),
                '\n' => Some("\\n"),
                '\t' => Some("\\t"),
                '\r' => Some("\\r"),
                '\u{8}' => Some("\\b"),
                '\u{c}' => Some("\\f"),
                '\0'..='\x1f' | '\x7f' => None,
                _ if self.style.ascii && !character.is_ascii() => None,
                _ => continue,
            };
            self.push(&text[plain..at]);
            plain = at + character.len_utf8();
            match escape {
                Some(escape) => self.push(escape),
                None => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        self.push(&format!("\\u{unit:04x}"));
                    }
                }
            }
        }
        self.push(&text[plain..]);
    }
}

/// A number as the original writes it: 17 digits at most, exponents of at least two digits.
pub fn number_text(number: &Num) -> String {
    match number {
        Num::Int(value) => value.to_string(),
        Num::BigInt(value) => value.to_string(),
        Num::Dec(text) => text.parse().map_or_else(|_| text.to_string(), float),
        Num::Float(value) => float(*value),
    }
}

fn float(value: f64) -> String {
    if value.is_nan() {
        return "null".to_owned();
    }
    let value = value.clamp(f64::MIN, f64::MAX);
    if value == 0.0 {
        return if value.is_sign_negative() {
            "-0".to_owned()
        } else {
            "0".to_owned()
        };
    }
    let shown = format!("{value:e}");
    let (digits, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let count = digits.bytes().filter(u8::is_ascii_digit).count() as i32;
    if exponent >= -5 && exponent < count + 15 {
        return format!("{value}");
    }
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}
