//! From source text to tokens.
//!
//! A slash begins a regular expression exactly where an operand may stand, which the token before decides.

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Number(f64),
    Text(Vec<u8>),
    Regex(Vec<u8>),
    /// A name that is no keyword and no built-in function.
    Name(String),
    /// A name directly followed by `(`.
    Call(String),
    /// A built-in function.
    Builtin(String),
    Keyword(&'static str),
    /// An operator or a bracket.
    Op(&'static str),
    Newline,
    End,
}

/// A token and the line it stands on.
pub type Located = (Token, usize);

const KEYWORDS: &[&str] = &[
    "BEGIN", "END", "break", "case", "continue", "default", "delete", "do", "else", "exit", "for", "func", "function",
    "getline", "if", "in", "next", "nextfile", "print", "printf", "return", "switch", "while",
];

/// Longest first.
const OPERATORS: &[&str] = &[
    "**=", "&&", "||", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "**", "==", "<=", ">=", "!=", "!~", ">>", "|&",
    "{", "}", "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!", "<", ">", "|", "?", ":", "~", "$", "=",
];

/// Splits `source` into tokens.
///
/// # Errors
///
/// Line and message of the first character that begins no token.
pub fn tokens(source: &[u8]) -> Result<Vec<Located>, (usize, String)> {
    let mut lexer = Lexer {
        source,
        at: 0,
        line: 1,
        out: Vec::new(),
    };
    while lexer.step()? {}
    let line = lexer.line;
    lexer.out.push((Token::Newline, line));
    lexer.out.push((Token::End, line));
    Ok(lexer.out)
}

struct Lexer<'a> {
    source: &'a [u8],
    at: usize,
    line: usize,
    out: Vec<Located>,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.source.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn push(&mut self, token: Token) {
        self.out.push((token, self.line));
    }

    fn step(&mut self) -> Result<bool, (usize, String)> {
        let Some(&byte) = self.source.get(self.at) else {
            return Ok(false);
        };
        match byte {
            b' ' | b'\t' | b'\r' => self.at += 1,
            b'\n' => {
                self.push(Token::Newline);
                self.at += 1;
                self.line += 1;
            }
            b'#' => {
                while self.at < self.source.len() && self.source[self.at] != b'\n' {
                    self.at += 1;
                }
            }
            b'\\' if self.peek(1) == b'\n' => {
                self.at += 2;
                self.line += 1;
            }
            b'\\' if self.peek(1) == b'\r' && self.peek(2) == b'\n' => {
                self.at += 3;
                self.line += 1;
            }
            b'"' => self.text()?,
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_ascii_digit() => self.number(),
            b'/' if self.operand_may_stand() => self.regex()?,
            _ if byte.is_ascii_alphabetic() || byte == b'_' => self.word(),
            _ => self.operator(byte)?,
        }
        Ok(true)
    }

    fn operand_may_stand(&self) -> bool {
        match self.out.last() {
            None => true,
            Some((Token::Number(_) | Token::Text(_) | Token::Regex(_) | Token::Name(_) | Token::Builtin(_), _)) => {
                false
            }
            Some((Token::Op(op), _)) => !matches!(*op, ")" | "]" | "$" | "++" | "--"),
            Some(_) => true,
        }
    }

    fn word(&mut self) {
        let start = self.at;
        while self.peek(0).is_ascii_alphanumeric() || self.peek(0) == b'_' {
            self.at += 1;
        }
        let word = String::from_utf8_lossy(&self.source[start..self.at]).into_owned();
        if let Some(keyword) = KEYWORDS.iter().find(|keyword| **keyword == word) {
            let keyword = if *keyword == "func" { "function" } else { keyword };
            self.push(Token::Keyword(keyword));
        } else if super::ast::Builtin::find(&word).is_some() {
            self.push(Token::Builtin(word));
        } else if self.peek(0) == b'(' {
            self.push(Token::Call(word));
        } else {
            self.push(Token::Name(word));
        }
    }

    fn number(&mut self) {
        let rest = &self.source[self.at..];
        if rest.len() > 2 && rest[0] == b'0' && matches!(rest[1], b'x' | b'X') && rest[2].is_ascii_hexdigit() {
            let digits = rest[2..].iter().take_while(|b| b.is_ascii_hexdigit()).count();
            let value = rest[2..2 + digits].iter().fold(0.0, |sum, &digit| {
                sum * 16.0 + f64::from(char::from(digit).to_digit(16).unwrap_or(0))
            });
            self.at += 2 + digits;
            self.push(Token::Number(value));
            return;
        }
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let whole = !matches!(rest.get(digits), Some(b'.' | b'e' | b'E'));
        if whole && digits > 1 && rest[0] == b'0' && rest[..digits].iter().all(|b| (b'0'..=b'7').contains(b)) {
            // Octal, as in C.
            let value = rest[..digits]
                .iter()
                .fold(0.0, |sum, &digit| sum * 8.0 + f64::from(digit - b'0'));
            self.at += digits;
            self.push(Token::Number(value));
            return;
        }
        let (value, length) = super::number::prefix(rest);
        self.at += length.max(1);
        self.push(Token::Number(value));
    }

    fn text(&mut self) -> Result<(), (usize, String)> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.source.get(self.at) {
                None | Some(b'\n') => return Err((self.line, "unterminated string".to_owned())),
                Some(b'"') => break,
                Some(b'\\') if self.at + 1 < self.source.len() => {
                    self.line += usize::from(self.source[self.at + 1] == b'\n');
                    self.at += 2;
                }
                Some(_) => self.at += 1,
            }
        }
        let text = unescape(&self.source[start..self.at]);
        self.at += 1;
        self.push(Token::Text(text));
        Ok(())
    }

    fn regex(&mut self) -> Result<(), (usize, String)> {
        self.at += 1;
        let mut text = Vec::new();
        let mut in_bracket = 0;
        loop {
            match self.source.get(self.at).copied() {
                None | Some(b'\n') => return Err((self.line, "unterminated regexp".to_owned())),
                Some(b'/') if in_bracket == 0 || !self.bracket_closes() => break,
                Some(b'\\') if self.peek(1) == b'/' => {
                    text.push(b'/');
                    self.at += 2;
                    continue;
                }
                Some(b'\\') if self.at + 1 < self.source.len() => {
                    text.extend_from_slice(&self.source[self.at..self.at + 2]);
                    self.at += 2;
                    continue;
                }
                Some(byte) => {
                    if byte == b'[' && in_bracket == 0 {
                        in_bracket = text.len() + 1;
                    } else if byte == b']' && in_bracket > 0 {
                        let body = &text[in_bracket..];
                        if !(body.is_empty() || body == b"^" || (inside_class(body))) {
                            in_bracket = 0;
                        }
                    }
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        self.push(Token::Regex(text));
        Ok(())
    }

    /// Whether a `]` follows on this line, so that a slash inside brackets is a literal.
    fn bracket_closes(&self) -> bool {
        self.source[self.at..]
            .iter()
            .take_while(|&&b| b != b'\n')
            .any(|&b| b == b']')
    }

    fn operator(&mut self, byte: u8) -> Result<(), (usize, String)> {
        let rest = &self.source[self.at..];
        let Some(operator) = OPERATORS.iter().find(|op| rest.starts_with(op.as_bytes())) else {
            return Err((
                self.line,
                format!("syntax error: invalid char '{}' in expression", char::from(byte)),
            ));
        };
        self.at += operator.len();
        let same = match *operator {
            "**" => "^",
            "**=" => "^=",
            other => other,
        };
        self.push(Token::Op(same));
        Ok(())
    }
}

/// Whether the body of a bracket expression ends inside `[:name`.
fn inside_class(body: &[u8]) -> bool {
    match body.windows(2).rposition(|pair| pair == b"[:") {
        Some(at) => body.ends_with(b":") && !body[at + 2..body.len() - 1].contains(&b']') && body.len() > at + 2,
        None => false,
    }
}

/// Carries out the escapes of a string constant (also of `-v` and operands `name=value`).
pub fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        at += 1;
        if byte != b'\\' || at == text.len() {
            out.push(byte);
            continue;
        }
        let letter = text[at];
        at += 1;
        match letter {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'v' => out.push(11),
            b'\n' => {}
            b'"' | b'\\' | b'/' => out.push(letter),
            b'0'..=b'7' => {
                let digits = text[at - 1..]
                    .iter()
                    .take(3)
                    .take_while(|b| (b'0'..=b'7').contains(b))
                    .count();
                let code = text[at - 1..at - 1 + digits]
                    .iter()
                    .fold(0u32, |sum, d| sum * 8 + u32::from(d - b'0'));
                at += digits - 1;
                out.push((code & 0xff) as u8);
            }
            b'x' if text.get(at).is_some_and(u8::is_ascii_hexdigit) => {
                let digits = text[at..].iter().take(2).take_while(|b| b.is_ascii_hexdigit()).count();
                let code = text[at..at + digits]
                    .iter()
                    .fold(0, |sum, d| sum * 16 + char::from(*d).to_digit(16).unwrap_or(0));
                at += digits;
                out.push((code & 0xff) as u8);
            }
            other => out.push(other),
        }
    }
    out
}
