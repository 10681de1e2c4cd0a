//! POSIX regular expressions, basic and extended, written in the syntax of Rust's regex engines.
//!
//! The GNU extensions that people rely on are included: `\+ \? \|` in basic expressions, `\< \> \b \B \w \W \s \S`,
//! buffer anchors and back-references. Brackets follow POSIX (no escapes inside, classes, equivalence classes).
//! Every literal is emitted escaped, so nothing of the target syntax can leak in.

use super::{Options, RegexError, Syntax};

/// An expression in the target syntax and what is needed to choose an engine for it.
#[derive(Debug, Default)]
pub struct Translated {
    /// The expression, for an engine in Unicode mode over bytes.
    pub pattern: String,
    /// It refers back to a group, which finite automata cannot do.
    pub backrefs: bool,
    /// Leftmost-first and leftmost-longest matching may differ.
    pub ambiguous: bool,
}

/// Deepest nesting of groups accepted.
const NEST_LIMIT: usize = 200;

/// Translates `pattern`, which is basic or extended according to `options`.
///
/// # Errors
///
/// The messages of `regcomp(3)` for unbalanced brackets, groups and braces, bad classes, ranges and references.
pub fn translate(pattern: &[u8], options: &Options) -> Result<Translated, RegexError> {
    let mut walk = Walk {
        text: pattern,
        at: 0,
        basic: options.syntax == Syntax::Basic,
        escapes: options.escapes,
        out: Translated::default(),
        groups: 0,
        closed: Vec::new(),
        depth: 0,
        last: None,
        last_is_group: false,
    };
    walk.run()?;
    if walk.depth > 0 {
        return Err(RegexError::new("Unmatched ( or \\("));
    }
    Ok(walk.out)
}

struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    basic: bool,
    escapes: super::Escapes,
    out: Translated,
    groups: usize,
    closed: Vec<bool>,
    depth: usize,
    /// Where the last atom starts in the output; `None` when nothing can be repeated.
    last: Option<usize>,
    last_is_group: bool,
}

/// What an open group needs when it closes: its number and where it starts in the output.
type Open = (usize, usize);

impl Walk<'_> {
    fn run(&mut self) -> Result<(), RegexError> {
        let mut open: Vec<Open> = Vec::new();
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' => self.backslash(&mut open)?,
                b'[' => self.bracket()?,
                b'.' => self.atom("."),
                b'*' => self.star(),
                b'^' => self.caret(),
                b'$' => self.dollar(),
                b'+' | b'?' if !self.basic => {
                    self.at += 1;
                    self.repeat(if byte == b'+' { "+" } else { "?" });
                }
                b'{' if !self.basic => self.interval(1)?,
                b'|' if !self.basic => self.alternative(1),
                b'(' if !self.basic => self.open(1, &mut open)?,
                b')' if !self.basic && self.depth > 0 => self.close(1, &mut open)?,
                b')' if !self.basic => return Err(RegexError::new("Unmatched ) or \\)")),
                b'\n' if self.escapes.newline_alternates() => self.alternative(1),
                _ => self.literal(),
            }
        }
        Ok(())
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn atom(&mut self, text: &str) {
        self.at += 1;
        self.push_atom(text);
    }

    fn push_atom(&mut self, text: &str) {
        self.last = Some(self.out.pattern.len());
        self.last_is_group = false;
        self.out.pattern.push_str(text);
    }

    /// One character of the pattern as itself: a whole UTF-8 sequence, or a byte that is not UTF-8.
    fn literal(&mut self) {
        let (text, length) = literal_at(&self.text[self.at..]);
        self.at += length;
        self.push_atom(&text);
    }

    fn star(&mut self) {
        self.at += 1;
        if self.last.is_none() && self.basic {
            self.push_atom(r"\*");
        } else {
            self.repeat("*");
        }
    }

    fn repeat(&mut self, operator: &str) {
        let Some(start) = self.last else { return };
        self.out.ambiguous |= self.last_is_group;
        // A second operator would otherwise mean "lazy" or "possessive" in the target syntax.
        if self.out.pattern.ends_with(['*', '+', '?', '}']) && !ends_escaped(&self.out.pattern[start..]) {
            self.out.pattern.insert_str(start, "(?:");
            self.out.pattern.push(')');
        }
        self.out.pattern.push_str(operator);
    }

    fn caret(&mut self) {
        let anchor = !self.basic || self.at_expression_start();
        self.at += 1;
        if anchor {
            self.out.pattern.push('^');
            self.last = None;
        } else {
            self.push_atom(r"\^");
        }
    }

    fn at_expression_start(&self) -> bool {
        let before = &self.text[..self.at];
        before.is_empty() || before.ends_with(b"\\(") || before.ends_with(b"\\|") || before.ends_with(b"\n")
    }

    fn dollar(&mut self) {
        let after = &self.text[self.at + 1..];
        let ends = after.is_empty() || after.starts_with(b"\\)") || after.starts_with(b"\\|") || after[0] == b'\n';
        self.at += 1;
        if !self.basic || ends {
            self.out.pattern.push('$');
            self.last = None;
        } else {
            self.push_atom(r"\$");
        }
    }

    fn alternative(&mut self, length: usize) {
        self.at += length;
        self.out.pattern.push('|');
        self.out.ambiguous = true;
        self.last = None;
    }

    fn open(&mut self, length: usize, open: &mut Vec<Open>) -> Result<(), RegexError> {
        if self.depth >= NEST_LIMIT {
            return Err(RegexError::new("Regular expression too big"));
        }
        self.at += length;
        self.depth += 1;
        self.groups += 1;
        self.closed.push(false);
        open.push((self.groups, self.out.pattern.len()));
        self.out.pattern.push('(');
        self.last = None;
        Ok(())
    }

    fn close(&mut self, length: usize, open: &mut Vec<Open>) -> Result<(), RegexError> {
        let Some((number, start)) = open.pop() else {
            return Err(RegexError::new("Unmatched ) or \\)"));
        };
        self.at += length;
        self.depth -= 1;
        self.closed[number - 1] = true;
        self.out.pattern.push(')');
        self.last = Some(start);
        self.last_is_group = true;
        Ok(())
    }

    /// `{m}`, `{m,}`, `{,n}`, `{m,n}`; what does not parse as one is a literal brace in extended syntax.
    fn interval(&mut self, opener: usize) -> Result<(), RegexError> {
        let body = &self.text[self.at + opener..];
        let closer: &[u8] = if self.basic { b"\\}" } else { b"}" };
        let parsed = find(body, closer).and_then(|end| Some((end, parse_interval(&body[..end])?)));
        let Some((end, (low, high))) = parsed else {
            if self.basic {
                let message = if find(body, closer).is_none() {
                    "Unmatched \\{"
                } else {
                    "Invalid content of \\{\\}"
                };
                return Err(RegexError::new(message));
            }
            self.atom(r"\{");
            return Ok(());
        };
        if self.last.is_none() && !self.basic {
            self.atom(r"\{");
            return Ok(());
        }
        if high.is_some_and(|high| high < low) {
            return Err(RegexError::new("Invalid content of \\{\\}"));
        }
        if low.max(high.unwrap_or(0)) > 0x7fff {
            return Err(RegexError::new("Regular expression too big"));
        }
        self.at += opener + end + closer.len();
        if self.last.is_none() {
            return Err(RegexError::new("Invalid preceding regular expression"));
        }
        let operator = match high {
            Some(high) if high == low => format!("{{{low}}}"),
            Some(high) => format!("{{{low},{high}}}"),
            None => format!("{{{low},}}"),
        };
        self.repeat(&operator);
        Ok(())
    }

    fn backslash(&mut self, open: &mut Vec<Open>) -> Result<(), RegexError> {
        let Some(next) = self.peek(1) else {
            return Err(RegexError::new("Trailing backslash"));
        };
        match next {
            b'(' if self.basic => self.open(2, open)?,
            b')' if self.basic => {
                if self.depth == 0 {
                    return Err(RegexError::new("Unmatched ) or \\)"));
                }
                self.close(2, open)?;
            }
            b'{' if self.basic => {
                if self.last.is_none() {
                    return Err(RegexError::new("Invalid preceding regular expression"));
                }
                self.interval(2)?;
            }
            b'|' if self.basic => self.alternative(2),
            b'+' | b'?' if self.basic => {
                self.at += 2;
                if self.last.is_none() {
                    self.push_atom(if next == b'+' { r"\+" } else { r"\?" });
                } else {
                    self.repeat(if next == b'+' { "+" } else { "?" });
                }
            }
            b'1'..=b'9' if !self.escapes.is_awk() => self.reference(next)?,
            _ => self.escape(next),
        }
        Ok(())
    }

    fn reference(&mut self, digit: u8) -> Result<(), RegexError> {
        let number = usize::from(digit - b'0');
        if !self.closed.get(number - 1).copied().unwrap_or(false) {
            return Err(RegexError::new("Invalid back reference"));
        }
        self.at += 2;
        self.out.backrefs = true;
        // Grouped, so that a digit that follows stays a literal.
        self.push_atom(&format!("(?:\\{number})"));
        Ok(())
    }

    fn escape(&mut self, next: u8) {
        let assertion = match next {
            b'<' => Some(r"\b{start}"),
            b'>' => Some(r"\b{end}"),
            b'b' if !self.escapes.is_awk() => Some(r"\b"),
            b'y' if self.escapes.is_awk() => Some(r"\b"),
            b'B' => Some(r"\B"),
            b'`' => Some(r"\A"),
            b'\'' => Some(r"\z"),
            _ => None,
        };
        if let Some(text) = assertion {
            self.at += 2;
            self.out.pattern.push_str(text);
            return;
        }
        match next {
            b'w' | b'W' | b's' | b'S' => {
                self.at += 1;
                let text = format!("\\{}", char::from(next));
                self.atom(&text);
            }
            _ => match self.escapes.control(next) {
                Some(byte) => {
                    self.at += 2;
                    self.push_atom(&format!("\\x{byte:02x}"));
                }
                None => {
                    self.at += 1;
                    self.literal();
                }
            },
        }
    }

    fn bracket(&mut self) -> Result<(), RegexError> {
        let (class, length) = super::bracket::parse(&self.text[self.at..], self.escapes)?;
        self.at += length;
        self.push_atom(&class);
        Ok(())
    }
}

/// The first character of `text` as a literal of the target syntax, and its length in bytes.
pub fn literal_at(text: &[u8]) -> (String, usize) {
    let byte = text[0];
    if byte < 0x80 {
        let shown = if byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'_' | b',' | b'/' | b':' | b'"' | b'=') {
            char::from(byte).to_string()
        } else {
            format!("\\x{byte:02x}")
        };
        return (shown, 1);
    }
    for length in 2..=4.min(text.len()) {
        if let Ok(valid) = std::str::from_utf8(&text[..length]) {
            return (valid.to_owned(), length);
        }
    }
    (format!("(?-u:\\x{byte:02x})"), 1)
}

fn parse_interval(body: &[u8]) -> Option<(u32, Option<u32>)> {
    let text = std::str::from_utf8(body).ok()?;
    let number = |text: &str| -> Option<u32> {
        let digits = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
        if digits { text.parse().ok() } else { None }
    };
    match text.split_once(',') {
        None => number(text).map(|n| (n, Some(n))),
        Some(("", "")) => Some((0, None)),
        Some(("", high)) => Some((0, Some(number(high)?))),
        Some((low, "")) => Some((number(low)?, None)),
        Some((low, high)) => Some((number(low)?, Some(number(high)?))),
    }
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

/// Whether the last character of `atom` is escaped, that is, a literal and not an operator.
fn ends_escaped(atom: &str) -> bool {
    let body = &atom.as_bytes()[..atom.len() - 1];
    body.iter().rev().take_while(|&&b| b == b'\\').count() % 2 == 1
}
