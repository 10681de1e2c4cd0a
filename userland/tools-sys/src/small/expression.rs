//! `test` and `[`: conditional expressions as POSIX and GNU have them.
//!
//! Up to four arguments are read by their number, as POSIX demands (so that operands may look like operators); more are
//! read by precedence: `!`, `-a`, `-o`, with parentheses.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io::Write;
use std::path::Path;

use agentos_tools_base::io::bytes_of;
use agentos_tools_base::platform::{FileTypeExt, MetadataExt, PermissionsExt};

use crate::access;

type Outcome = Result<bool, String>;

pub(super) fn test(args: &[OsString]) -> Option<i32> {
    Some(status("test", evaluate(&args[1.min(args.len())..])))
}

pub(super) fn bracket(args: &[OsString]) -> Option<i32> {
    let args = &args[1.min(args.len())..];
    match args {
        [only] if only == "--help" || only == "--version" => None,
        [inner @ .., last] if last == "]" => Some(status("[", evaluate(inner))),
        _ => Some(status("[", Err("missing ']'".to_owned()))),
    }
}

fn status(name: &str, outcome: Outcome) -> i32 {
    match outcome {
        Ok(value) => i32::from(!value),
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "{name}: {message}");
            2
        }
    }
}

fn evaluate(args: &[OsString]) -> Outcome {
    match args {
        [] => Ok(false),
        [one] => Ok(!one.is_empty()),
        [op, x] => two(op, x),
        [a, op, b] => three(args, a, op, b),
        [not, rest @ ..] if args.len() == 4 && not == "!" => evaluate(rest).map(|value| !value),
        [open, inner @ .., close] if args.len() == 4 && open == "(" && close == ")" => evaluate(inner),
        _ => Reader { args, at: 0 }.all(),
    }
}

fn two(op: &OsStr, x: &OsStr) -> Outcome {
    if op == "!" {
        return Ok(x.is_empty());
    }
    match unary(op, x)? {
        Some(value) => Ok(value),
        None if bytes_of(op).len() == 2 && bytes_of(op)[0] == b'-' => {
            Err(format!("{}: unary operator expected", quoted(op)))
        }
        None => Err(format!("missing argument after {}", quoted(x))),
    }
}

fn three(args: &[OsString], a: &OsStr, op: &OsStr, b: &OsStr) -> Outcome {
    if let Some(value) = binary(a, op, b)? {
        return Ok(value);
    }
    if a == "!" {
        return evaluate(&args[1..]).map(|value| !value);
    }
    if a == "(" && b == ")" {
        return Ok(!op.is_empty());
    }
    if op == "-a" || op == "-o" || op == ">" || op == "<" {
        return Reader { args, at: 0 }.all();
    }
    Err(format!("{}: binary operator expected", quoted(op)))
}

struct Reader<'a> {
    args: &'a [OsString],
    at: usize,
}

impl Reader<'_> {
    fn all(mut self) -> Outcome {
        let value = self.or()?;
        match self.peek() {
            None => Ok(value),
            Some(extra) => Err(format!("extra argument {}", quoted(extra))),
        }
    }

    fn peek(&self) -> Option<&OsStr> {
        self.args.get(self.at).map(OsString::as_os_str)
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|next| next == word);
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Outcome {
        let mut value = self.and()?;
        while self.take("-o") {
            value |= self.and()?;
        }
        Ok(value)
    }

    fn and(&mut self) -> Outcome {
        let mut value = self.term()?;
        while self.take("-a") {
            value &= self.term()?;
        }
        Ok(value)
    }

    fn term(&mut self) -> Outcome {
        let mut negate = false;
        while self.args.len() > self.at + 1 && !self.is_binary() && self.take("!") {
            negate = !negate;
        }
        Ok(self.primary()? != negate)
    }

    /// Whether the second word from here is a binary operator with an operand after it.
    fn is_binary(&self) -> bool {
        let rest = &self.args[self.at..];
        rest.len() >= 3 && is_binary_operator(&rest[1])
    }

    fn primary(&mut self) -> Outcome {
        let rest = &self.args[self.at..];
        if rest.is_empty() {
            let last = self.args.last().map(|last| quoted(last)).unwrap_or_default();
            return Err(format!("missing argument after {last}"));
        }
        if self.is_binary() {
            self.at += 3;
            return Ok(binary(&rest[0], &rest[1], &rest[2])?.unwrap_or(false));
        }
        if rest.len() > 1 && rest[0] == "(" {
            self.at += 1;
            let value = self.or()?;
            return if self.take(")") {
                Ok(value)
            } else {
                Err("')' expected".to_owned())
            };
        }
        if rest.len() > 1 && is_unary_operator(&rest[0]) {
            self.at += 2;
            return Ok(unary(&rest[0], &rest[1])?.unwrap_or(false));
        }
        self.at += 1;
        Ok(!rest[0].is_empty())
    }
}

fn is_unary_operator(op: &OsStr) -> bool {
    matches!(bytes_of(op), [b'-', letter] if b"bcdefgGhkLnNOprsStuwxz".contains(letter))
}

fn is_binary_operator(op: &OsStr) -> bool {
    const OPERATORS: [&str; 14] = [
        "=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef",
    ];
    OPERATORS.iter().any(|known| op == *known)
}

fn unary(op: &OsStr, x: &OsStr) -> Result<Option<bool>, String> {
    let [b'-', letter] = bytes_of(op) else { return Ok(None) };
    let path = Path::new(x);
    let meta = || fs::metadata(path).ok();
    let has = |check: &dyn Fn(&Metadata) -> bool| meta().is_some_and(|meta| check(&meta));
    let mode = |bit: u32| has(&|meta| meta.permissions().mode() & bit != 0);
    Ok(Some(match letter {
        b'n' => !x.is_empty(),
        b'z' => x.is_empty(),
        b'b' => has(&|meta| meta.file_type().is_block_device()),
        b'c' => has(&|meta| meta.file_type().is_char_device()),
        b'd' => has(&Metadata::is_dir),
        b'e' => meta().is_some(),
        b'f' => has(&Metadata::is_file),
        b'g' => mode(0o2000),
        b'G' => has(&|meta| meta.gid() == agentos_guest::id::credentials().egid),
        b'h' | b'L' => fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink()),
        b'k' => mode(0o1000),
        b'N' => has(&|meta| (meta.mtime(), meta.mtime_nsec()) > (meta.atime(), meta.atime_nsec())),
        b'O' => has(&|meta| meta.uid() == agentos_guest::id::credentials().euid),
        b'p' => has(&|meta| meta.file_type().is_fifo()),
        b'r' => access::may(path, access::READ),
        b's' => has(&|meta| meta.len() > 0),
        b'S' => has(&|meta| meta.file_type().is_socket()),
        b't' => is_terminal(x)?,
        b'u' => mode(0o4000),
        b'w' => access::may(path, access::WRITE),
        b'x' => access::may(path, access::EXECUTE),
        _ => return Ok(None),
    }))
}

fn is_terminal(text: &OsStr) -> Outcome {
    use std::io::IsTerminal;
    Ok(match integer(text)? {
        0 => std::io::stdin().is_terminal(),
        1 => std::io::stdout().is_terminal(),
        2 => std::io::stderr().is_terminal(),
        other => other > 2 && access::is_terminal(other),
    })
}

fn binary(a: &OsStr, op: &OsStr, b: &OsStr) -> Result<Option<bool>, String> {
    let op = op.to_str().unwrap_or_default();
    Ok(Some(match op {
        "=" | "==" => a == b,
        "!=" => a != b,
        "<" => bytes_of(a) < bytes_of(b),
        ">" => bytes_of(a) > bytes_of(b),
        "-eq" => compare(a, b)?.is_eq(),
        "-ne" => compare(a, b)?.is_ne(),
        "-lt" => compare(a, b)?.is_lt(),
        "-le" => compare(a, b)?.is_le(),
        "-gt" => compare(a, b)?.is_gt(),
        "-ge" => compare(a, b)?.is_ge(),
        "-nt" => modified(a) > modified(b),
        "-ot" => modified(a) < modified(b),
        "-ef" => match (fs::metadata(a), fs::metadata(b)) {
            (Ok(a), Ok(b)) => a.dev() == b.dev() && a.ino() == b.ino(),
            _ => false,
        },
        _ => return Ok(None),
    }))
}

/// Modification time; nothing is older than anything.
fn modified(path: &OsStr) -> Option<(i64, i64)> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.mtime(), meta.mtime_nsec()))
}

fn compare(a: &OsStr, b: &OsStr) -> Result<std::cmp::Ordering, String> {
    if let (Ok(a), Ok(b)) = (integer(a), integer(b)) {
        return Ok(a.cmp(&b));
    }
    let (a, b) = (number(a)?, number(b)?);
    let magnitude = |n: &Number| (n.digits.len(), n.digits.clone());
    Ok(match (a.negative, b.negative) {
        (false, true) => std::cmp::Ordering::Greater,
        (true, false) => std::cmp::Ordering::Less,
        (false, false) => magnitude(&a).cmp(&magnitude(&b)),
        (true, true) => magnitude(&b).cmp(&magnitude(&a)),
    })
}

/// An integer of any length.
struct Number {
    negative: bool,
    digits: String,
}

fn number(text: &OsStr) -> Result<Number, String> {
    let invalid = || format!("invalid integer {}", quoted(text));
    let trimmed = text
        .to_str()
        .ok_or_else(invalid)?
        .trim_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid());
    }
    let digits = digits.trim_start_matches('0').to_owned();
    Ok(Number {
        negative: negative && !digits.is_empty(),
        digits,
    })
}

fn integer(text: &OsStr) -> Result<i64, String> {
    let number = number(text)?;
    let digits = if number.digits.is_empty() { "0" } else { &number.digits };
    let value: i64 = digits
        .parse()
        .map_err(|_| format!("invalid integer {}", quoted(text)))?;
    Ok(if number.negative { -value } else { value })
}

fn quoted(text: &OsStr) -> String {
    format!("'{}'", text.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &str) -> Outcome {
        let args: Vec<OsString> = words
            .split(' ')
            .map(|w| OsString::from(if w == "''" { "" } else { w }))
            .collect();
        evaluate(&args)
    }

    #[test]
    fn short_expressions_go_by_their_length() {
        for (words, value) in [
            ("x", true),
            ("''", false),
            ("! ''", true),
            ("-n x", true),
            ("-z x", false),
            ("= = =", true),
            ("! = !", true),
            ("( x )", true),
            ("! x = y", true),
            ("( -n x )", true),
            ("x -a ''", false),
            ("1 -lt 2", true),
            ("-5 -gt -6", true),
            ("007 -eq 7", true),
            ("99999999999999999999 -gt 1", true),
            ("a < b", true),
        ] {
            assert_eq!(of(words), Ok(value), "{words}");
        }
    }

    #[test]
    fn long_ones_go_by_precedence() {
        for (words, value) in [
            ("x -o x -a ''", true),
            ("( x -o x ) -a ''", false),
            ("! ( a = b ) -a 1 -eq 1", true),
            ("a = a -a b = b -a c = c", true),
            ("! ! x = x -o ''", true),
        ] {
            assert_eq!(of(words), Ok(value), "{words}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(of("1 -eq x"), Err("invalid integer 'x'".to_owned()));
        assert_eq!(of("a b c"), Err("'b': binary operator expected".to_owned()));
        assert_eq!(of("-q x"), Err("'-q': unary operator expected".to_owned()));
        assert!(of("a = a -a").is_err());
    }
}
