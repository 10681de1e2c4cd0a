//! `test` and `[`

use super::Args;
use crate::exec::{binary_test, unary_test};
use crate::shell::Shell;

/// Runs it.
pub fn run(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    let mut words: Vec<&str> = argv[1..].iter().map(String::as_str).collect();
    if argv[0] == "[" && words.pop() != Some("]") {
        sh.error("[: missing `]'");
        return 2;
    }
    let mut t = Test {
        sh,
        words: &words,
        at: 0,
        depth: 0,
    };
    match t.whole() {
        Ok(result) => i32::from(!result),
        Err(message) => {
            sh.error(&format!("{}: {message}", argv[0]));
            2
        }
    }
}

struct Test<'a> {
    sh: &'a mut Shell,
    words: &'a [&'a str],
    at: usize,
    depth: u32,
}

fn is_binary(op: &str) -> bool {
    matches!(
        op,
        "=" | "==" | "!=" | "<" | ">" | "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" | "-nt" | "-ot" | "-ef"
    )
}

fn is_unary(op: &str) -> bool {
    matches!(op.as_bytes(), [b'-', c] if b"abcdefghknoprstuvwxzGLNORS".contains(c))
}

impl Test<'_> {
    /// The rules for up to four words, then the grammar.
    fn whole(&mut self) -> Result<bool, String> {
        match *self.words {
            [] => Ok(false),
            [a] => Ok(!a.is_empty()),
            ["!", a] => Ok(a.is_empty()),
            [op, a] if is_unary(op) => Ok(unary_test(self.sh, op, a)),
            [op, _] => Err(format!("{op}: unary operator expected")),
            [a, op, b] => self.three(a, op, b),
            ["!", a, op, b] => self.three(a, op, b).map(|r| !r),
            ["(", a, b, ")"] => {
                let words = [a, b];
                let mut inner = Test {
                    sh: self.sh,
                    words: &words,
                    at: 0,
                    depth: 0,
                };
                inner.whole()
            }
            _ => self.grammar(),
        }
    }

    fn three(&mut self, a: &str, op: &str, b: &str) -> Result<bool, String> {
        if is_binary(op) {
            return self.binary(a, op, b);
        }
        match (a, op, b) {
            (_, "-a", _) => Ok(!a.is_empty() && !b.is_empty()),
            (_, "-o", _) => Ok(!a.is_empty() || !b.is_empty()),
            ("!", _, _) => {
                let words = [op, b];
                let mut inner = Test {
                    sh: self.sh,
                    words: &words,
                    at: 0,
                    depth: 0,
                };
                inner.whole().map(|r| !r)
            }
            ("(", _, ")") => Ok(!op.is_empty()),
            _ => Err(format!("{op}: binary operator expected")),
        }
    }

    fn binary(&mut self, a: &str, op: &str, b: &str) -> Result<bool, String> {
        match binary_test(a, op, b) {
            Some(result) => Ok(result),
            None => {
                let wrong = if a.trim().parse::<i64>().is_err() { a } else { b };
                Err(format!("{wrong}: integer expression expected"))
            }
        }
    }

    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).copied()
    }

    fn grammar(&mut self) -> Result<bool, String> {
        let result = self.or()?;
        match self.peek() {
            None => Ok(result),
            Some(_) => Err("too many arguments".to_owned()),
        }
    }

    fn or(&mut self) -> Result<bool, String> {
        let mut result = self.and()?;
        while self.peek() == Some("-o") {
            self.at += 1;
            result |= self.and()?;
        }
        Ok(result)
    }

    fn and(&mut self) -> Result<bool, String> {
        let mut result = self.primary()?;
        while self.peek() == Some("-a") {
            self.at += 1;
            result &= self.primary()?;
        }
        Ok(result)
    }

    fn primary(&mut self) -> Result<bool, String> {
        self.depth += 1;
        if self.depth > 500 {
            return Err("too many nested expressions".to_owned());
        }
        let rest = &self.words[self.at..];
        let result = match *rest {
            [] => Err("argument expected".to_owned()),
            [a, op, b, ..] if is_binary(op) => {
                self.at += 3;
                self.binary(a, op, b)
            }
            ["!", ..] => {
                self.at += 1;
                self.primary().map(|r| !r)
            }
            ["(", ..] => {
                self.at += 1;
                let inner = self.or()?;
                if self.peek() != Some(")") {
                    return Err("`)' expected".to_owned());
                }
                self.at += 1;
                Ok(inner)
            }
            [op, a, ..] if is_unary(op) => {
                self.at += 2;
                Ok(unary_test(self.sh, op, a))
            }
            [a, ..] => {
                self.at += 1;
                Ok(!a.is_empty())
            }
        };
        self.depth -= 1;
        result
    }
}
