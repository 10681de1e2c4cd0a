//! `printf`

use std::time::{SystemTime, UNIX_EPOCH};

use super::Args;
use crate::assign::split_subscript;
use crate::shell::{Exec, Shell};
use crate::text::{self, Dialect};

/// Widest field.
const MAX_WIDTH: usize = 1 << 20;

/// Runs it.
pub fn run(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let mut at = 1;
    let mut target = None;
    match argv.get(1).map(String::as_str) {
        Some("-v") => {
            let Some(name) = argv.get(2) else {
                return Ok(sh.usage("printf", "-v: option requires an argument"));
            };
            target = Some(name.clone());
            at = 3;
        }
        Some(word) if word.len() > 2 && word.starts_with("-v") => {
            target = Some(word[2..].to_owned());
            at = 2;
        }
        _ => {}
    }
    if argv.get(at).is_some_and(|w| w == "--") {
        at += 1;
    }
    let Some(format) = argv.get(at) else {
        return Ok(sh.usage("printf", "format required"));
    };
    let mut p = Printf {
        sh,
        words: &argv[at + 1..],
        next: 0,
        out: String::new(),
        status: 0,
        stop: false,
    };
    loop {
        let before = p.next;
        p.format(format);
        if p.stop || p.next >= p.words.len() || p.next == before {
            break;
        }
    }
    let (out, status) = (p.out, p.status);
    match target {
        None => Ok(match sh.print("printf", &out) {
            0 => status,
            failed => failed,
        }),
        Some(name) => {
            match split_subscript(&name) {
                Some((base, index)) => {
                    let key = sh.key_of_text(base, index)?;
                    sh.assign(base, Some(key), out, false)?;
                }
                None if !text::is_name(&name) => {
                    sh.error(&format!("printf: `{name}': not a valid identifier"));
                    return Ok(2);
                }
                None => sh.set(&name, &out)?,
            }
            Ok(status)
        }
    }
}

struct Printf<'a> {
    sh: &'a mut Shell,
    words: &'a [String],
    next: usize,
    out: String,
    status: i32,
    stop: bool,
}

/// Flags, width and precision of a conversion.
#[derive(Debug, Clone, Copy, Default)]
struct Spec {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

impl Printf<'_> {
    fn word(&mut self) -> Option<String> {
        let word = self.words.get(self.next).cloned();
        self.next += usize::from(word.is_some());
        word
    }

    fn format(&mut self, format: &str) {
        let mut rest = format;
        while let Some(c) = rest.chars().next() {
            match c {
                '\\' => {
                    // One escape at a time, so that a percent sign made by an escape stays one.
                    let len = escape_length(rest);
                    let (text, _) = text::unescape(&rest[..len], Dialect::Format);
                    self.out.push_str(&text);
                    rest = &rest[len..];
                }
                '%' => {
                    rest = self.conversion(&rest[1..]);
                    if self.stop {
                        return;
                    }
                }
                c => {
                    self.out.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
    }

    fn conversion<'f>(&mut self, mut rest: &'f str) -> &'f str {
        if let Some(rest) = rest.strip_prefix('%') {
            self.out.push('%');
            return rest;
        }
        let mut spec = Spec::default();
        while let Some(c) = rest.chars().next().filter(|c| "-+ #0'".contains(*c)) {
            match c {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                ' ' => spec.space = true,
                '#' => spec.alternate = true,
                '0' => spec.zero = true,
                _ => {}
            }
            rest = &rest[1..];
        }
        let (width, after) = self.count(rest);
        rest = after;
        if let Some(width) = width {
            spec.left |= width < 0;
            spec.width = (width.unsigned_abs() as usize).min(MAX_WIDTH);
        }
        if let Some(after) = rest.strip_prefix('.') {
            let (precision, after) = self.count(after);
            rest = after;
            spec.precision = match precision {
                Some(n) if n < 0 => None,
                n => Some((n.unwrap_or(0) as usize).min(MAX_WIDTH)),
            };
        }
        if let Some(after) = rest.strip_prefix('(')
            && let Some(end) = after.find(")T")
        {
            self.time(&after[..end], spec);
            return &after[end + 2..];
        }
        rest = rest.trim_start_matches(['l', 'h', 'L', 'j', 'z', 't']);
        let Some(c) = rest.chars().next() else {
            self.sh.error("printf: `%': missing format character");
            self.status = 1;
            self.stop = true;
            return rest;
        };
        self.convert(c, spec);
        &rest[c.len_utf8()..]
    }

    /// A number, or `*` for an argument.
    fn count<'f>(&mut self, rest: &'f str) -> (Option<i64>, &'f str) {
        if let Some(after) = rest.strip_prefix('*') {
            let word = self.word().unwrap_or_default();
            return (Some(self.integer(&word)), after);
        }
        let len = rest.bytes().take_while(u8::is_ascii_digit).count();
        (rest[..len].parse().ok(), &rest[len..])
    }

    fn convert(&mut self, c: char, spec: Spec) {
        match c {
            's' | 'b' | 'q' | 'Q' => {
                let mut word = self.word().unwrap_or_default();
                if c == 'b' {
                    let (text, stop) = text::unescape(&word, Dialect::Echo);
                    word = text;
                    self.stop = stop;
                } else if c == 'q' || c == 'Q' {
                    word = text::quote_backslash(&word);
                }
                self.text(&word, spec);
            }
            'c' => {
                let word = self.word().unwrap_or_default();
                // The first character; the byte 0 of nothing, as in C.
                let first = word.chars().next().unwrap_or('\0');
                self.text(&first.to_string(), spec);
            }
            'd' | 'i' => {
                let word = self.word().unwrap_or_default();
                let n = self.integer(&word);
                self.number(n < 0, &n.unsigned_abs().to_string(), "", spec);
            }
            'u' | 'o' | 'x' | 'X' => {
                let word = self.word().unwrap_or_default();
                let n = self.integer(&word) as u64;
                let (digits, prefix) = match c {
                    'u' => (n.to_string(), ""),
                    'o' => (format!("{n:o}"), "0"),
                    'x' => (format!("{n:x}"), "0x"),
                    _ => (format!("{n:X}"), "0X"),
                };
                let prefix = if spec.alternate && n != 0 { prefix } else { "" };
                let spec = Spec {
                    plus: false,
                    space: false,
                    ..spec
                };
                self.number(false, &digits, if c == 'u' { "" } else { prefix }, spec);
            }
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'a' | 'A' => {
                let word = self.word().unwrap_or_default();
                let value = self.float(&word);
                self.real(value, c, spec);
            }
            'n' => {}
            c => {
                self.sh.error(&format!("printf: `{c}': invalid format character"));
                self.status = 1;
                self.stop = true;
            }
        }
    }

    fn text(&mut self, text: &str, spec: Spec) {
        let cut: String = match spec.precision {
            Some(n) => text.chars().take(n).collect(),
            None => text.to_owned(),
        };
        // Widths count bytes, as in C.
        let len = text::encode(&cut).len();
        self.padded(&cut, len, spec);
    }

    fn padded(&mut self, text: &str, len: usize, spec: Spec) {
        let pad = " ".repeat(spec.width.saturating_sub(len));
        if spec.left {
            self.out.push_str(text);
            self.out.push_str(&pad);
        } else {
            self.out.push_str(&pad);
            self.out.push_str(text);
        }
    }

    fn number(&mut self, negative: bool, digits: &str, prefix: &str, spec: Spec) {
        let sign = match negative {
            true => "-",
            false if spec.plus => "+",
            false if spec.space => " ",
            false => "",
        };
        let mut digits = digits.to_owned();
        if let Some(precision) = spec.precision {
            if precision == 0 && digits == "0" {
                digits.clear();
            }
            digits = format!("{}{digits}", "0".repeat(precision.saturating_sub(digits.len())));
        } else if spec.zero && !spec.left {
            let used = sign.len() + prefix.len() + digits.len();
            digits = format!("{}{digits}", "0".repeat(spec.width.saturating_sub(used)));
        }
        let text = format!("{sign}{prefix}{digits}");
        let len = text.len();
        self.padded(&text, len, spec);
    }

    fn real(&mut self, value: f64, c: char, spec: Spec) {
        let magnitude = value.abs();
        let precision = spec.precision.unwrap_or(6);
        let mut digits = if !value.is_finite() {
            if value.is_nan() {
                "nan".to_owned()
            } else {
                "inf".to_owned()
            }
        } else {
            match c.to_ascii_lowercase() {
                'f' => format!("{magnitude:.precision$}"),
                'e' => exponent(magnitude, precision),
                _ => general(magnitude, precision.max(1), spec.alternate),
            }
        };
        if c.is_ascii_uppercase() {
            digits = digits.to_uppercase();
        }
        let spec = Spec {
            precision: None,
            zero: spec.zero && value.is_finite(),
            ..spec
        };
        self.number(value.is_sign_negative() && !value.is_nan(), &digits, "", spec);
    }

    fn invalid(&mut self, word: &str, what: &str) {
        self.sh.error(&format!("printf: {word}: {what}"));
        self.status = 1;
    }

    fn integer(&mut self, word: &str) -> i64 {
        let trimmed = word.trim_start();
        if let Some(quoted) = trimmed.strip_prefix(['\'', '"']) {
            return quoted.chars().next().map_or(0, |c| i64::from(c as u32));
        }
        if trimmed.is_empty() {
            return 0;
        }
        let (negative, digits) = match trimmed.as_bytes()[0] {
            b'-' => (true, &trimmed[1..]),
            b'+' => (false, &trimmed[1..]),
            _ => (false, trimmed),
        };
        let (radix, body) = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            (16, hex)
        } else if digits.len() > 1 && digits.starts_with('0') {
            (8, &digits[1..])
        } else {
            (10, digits)
        };
        let len = body.chars().take_while(|c| c.is_digit(radix)).count();
        if len < body.len() || body.is_empty() {
            self.invalid(word, "invalid number");
        }
        let parsed = if len == 0 {
            Ok(0)
        } else {
            u64::from_str_radix(&body[..len], radix)
        };
        match parsed {
            Ok(n) if negative => (n.min(1 << 63) as i64).wrapping_neg(),
            // Unsigned conversions take the upper half as it is.
            Ok(n) => n as i64,
            Err(_) => {
                // Only a warning.
                self.sh
                    .error(&format!("printf: warning: {word}: Numerical result out of range"));
                if negative { i64::MIN } else { i64::MAX }
            }
        }
    }

    fn float(&mut self, word: &str) -> f64 {
        let trimmed = word.trim_start();
        if let Some(quoted) = trimmed.strip_prefix(['\'', '"']) {
            return quoted.chars().next().map_or(0.0, |c| f64::from(c as u32));
        }
        if trimmed.is_empty() {
            return 0.0;
        }
        if let Ok(value) = trimmed.parse() {
            return value;
        }
        if trimmed.starts_with("0x") || trimmed.starts_with("-0x") {
            return self.integer(trimmed) as f64;
        }
        self.invalid(word, "invalid number");
        let end = (1..=trimmed.len())
            .rev()
            .find(|n| trimmed.get(..*n).is_some_and(|t| t.parse::<f64>().is_ok()));
        end.and_then(|n| trimmed[..n].parse().ok()).unwrap_or(0.0)
    }

    /// `%(format)T`
    fn time(&mut self, format: &str, spec: Spec) {
        let word = self.word();
        let now = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| d.as_secs() as i64)
        };
        let seconds = match word.as_deref() {
            None | Some("-1" | "-2" | "") => now(),
            Some(word) => self.integer(word),
        };
        let text = crate::clock::format(if format.is_empty() { "%X" } else { format }, seconds);
        let len = text.len();
        self.padded(&text, len, spec);
    }
}

/// Length of the escape that a text begins with.
fn escape_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let run = |from: usize, max: usize, is: fn(&u8) -> bool| {
        bytes[from.min(bytes.len())..]
            .iter()
            .take(max)
            .take_while(|b| is(b))
            .count()
    };
    match bytes.get(1) {
        Some(b'x') => 2 + run(2, 2, u8::is_ascii_hexdigit),
        Some(b'u') => 2 + run(2, 4, u8::is_ascii_hexdigit),
        Some(b'U') => 2 + run(2, 8, u8::is_ascii_hexdigit),
        Some(b'0'..=b'7') => 1 + run(1, 3, |b| (b'0'..=b'7').contains(b)),
        Some(_) => 1 + text[1..].chars().next().map_or(0, char::len_utf8),
        None => 1,
    }
}

fn exponent(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    format!("{digits}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
}

fn general(value: f64, precision: usize, alternate: bool) -> String {
    let power = if value == 0.0 {
        0
    } else {
        let text = format!("{value:.p$e}", p = precision - 1);
        text.split_once('e').and_then(|(_, p)| p.parse().ok()).unwrap_or(0)
    };
    let trim = |text: String| {
        if alternate || !text.contains('.') {
            return text;
        }
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if power < -4 || power >= precision as i32 {
        let text = exponent(value, precision - 1);
        let (digits, tail) = text.split_once('e').unwrap_or((&text, "+00"));
        return format!("{}e{tail}", trim(digits.to_owned()));
    }
    let decimals = (precision as i32 - 1 - power).max(0) as usize;
    trim(format!("{value:.decimals$}"))
}
