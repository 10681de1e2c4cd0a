//! Parsing of arithmetic expressions by precedence climbing.

use super::{Binary, Error, Expr, Place, Unary};
use crate::text::is_name_byte;

/// Deepest nesting.
const MAX_DEPTH: usize = 300;

/// Parses an expression; an empty one is 0.
pub fn parse(text: &str) -> Result<Expr, Error> {
    let mut p = Parser { text, pos: 0, depth: 0 };
    p.blanks();
    if p.pos == text.len() {
        return Ok(Expr::Number(0));
    }
    let expr = p.comma()?;
    p.blanks();
    if p.pos < text.len() {
        let message = match text.as_bytes()[p.pos] {
            b if is_name_byte(b) || b"$([".contains(&b) => "syntax error in expression",
            b')' | b']' => "syntax error in expression",
            b'=' => "attempted assignment to non-variable",
            _ => "syntax error: invalid arithmetic operator",
        };
        return Err(p.error(message));
    }
    Ok(expr)
}

struct Parser<'a> {
    text: &'a str,
    pos: usize,
    depth: usize,
}

/// Operators with their precedence, longest first where one is the beginning of another.
const OPERATORS: &[(&str, u8)] = &[
    ("||", 1),
    ("&&", 2),
    ("|", 3),
    ("^", 4),
    ("&", 5),
    ("==", 6),
    ("!=", 6),
    ("<<", 8),
    (">>", 8),
    ("<=", 7),
    (">=", 7),
    ("<", 7),
    (">", 7),
    ("+", 9),
    ("-", 9),
    ("**", 11),
    ("*", 10),
    ("/", 10),
    ("%", 10),
];

const POWER: u8 = 11;

impl<'a> Parser<'a> {
    fn error(&self, message: &str) -> Error {
        format!("{message} (error token is \"{}\")", &self.text[self.pos..])
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.pos += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    fn eat(&mut self, token: &str) -> bool {
        self.blanks();
        let found = self.text[self.pos..].starts_with(token);
        if found {
            self.pos += token.len();
        }
        found
    }

    fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error("expression recursion level exceeded"));
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    fn comma(&mut self) -> Result<Expr, Error> {
        let mut left = self.assignment()?;
        while self.eat(",") {
            left = Expr::Comma(Box::new(left), Box::new(self.assignment()?));
        }
        Ok(left)
    }

    fn assignment(&mut self) -> Result<Expr, Error> {
        self.deeper(|p| {
            let left = p.conditional()?;
            let Some(op) = p.assignment_operator() else {
                return Ok(left);
            };
            let Expr::Read(place) = left else {
                return Err(p.error("attempted assignment to non-variable"));
            };
            Ok(Expr::Assign(place, op, Box::new(p.assignment()?)))
        })
    }

    fn assignment_operator(&mut self) -> Option<Option<Binary>> {
        self.blanks();
        let rest = &self.text[self.pos..];
        if rest.starts_with('=') && !rest.starts_with("==") {
            self.pos += 1;
            return Some(None);
        }
        for op in ["<<", ">>", "*", "/", "%", "+", "-", "&", "^", "|"] {
            if rest
                .strip_prefix(op)
                .is_some_and(|r| r.starts_with('=') && (op.len() > 1 || !r.starts_with("==")))
            {
                self.pos += op.len() + 1;
                return Some(binary(op));
            }
        }
        None
    }

    fn conditional(&mut self) -> Result<Expr, Error> {
        let test = self.binary(1)?;
        if !self.eat("?") {
            return Ok(test);
        }
        let yes = self.comma()?;
        if !self.eat(":") {
            return Err(self.error("`:' expected for conditional expression"));
        }
        let no = self.assignment()?;
        Ok(Expr::Conditional(Box::new(test), Box::new(yes), Box::new(no)))
    }

    /// The operator at the current position, not taken; those followed by `=` assign.
    fn operator(&mut self) -> Option<(&'static str, u8)> {
        self.blanks();
        let rest = &self.text[self.pos..];
        let (op, level) = OPERATORS
            .iter()
            .filter(|(op, _)| rest.starts_with(op))
            .max_by_key(|(op, _)| op.len())?;
        let assigns = rest[op.len()..].starts_with('=')
            && !matches!(*op, "==" | "!=" | "<=" | ">=" | "||" | "&&" | "**")
            && !(matches!(*op, "<" | ">"));
        (!assigns).then_some((*op, *level))
    }

    fn binary(&mut self, least: u8) -> Result<Expr, Error> {
        let mut left = self.deeper(Self::unary)?;
        while let Some((op, level)) = self.operator() {
            if level < least {
                break;
            }
            self.pos += op.len();
            // Exponentiation is right-associative, all others are left-associative.
            let right = self.deeper(|p| p.binary(if level == POWER { level } else { level + 1 }))?;
            let (l, r) = (Box::new(left), Box::new(right));
            left = match (op, binary(op)) {
                ("||", _) => Expr::LogicalOr(l, r),
                ("&&", _) => Expr::LogicalAnd(l, r),
                (_, Some(op)) => Expr::Binary(op, l, r),
                (_, None) => return Err(self.error("syntax error in expression")),
            };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, Error> {
        self.blanks();
        let rest = &self.text[self.pos..];
        if let Some(by) = step(rest)
            && rest[2..]
                .trim_start()
                .starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        {
            self.pos += 2;
            self.blanks();
            return Ok(Expr::Step(self.place()?, by, false));
        }
        let op = match rest.bytes().next() {
            Some(b'-') => Unary::Minus,
            Some(b'+') => Unary::Plus,
            Some(b'!') => Unary::Not,
            Some(b'~') => Unary::Complement,
            _ => return self.postfix(),
        };
        self.pos += 1;
        let operand = self.deeper(Self::unary)?;
        Ok(Expr::Unary(op, Box::new(operand)))
    }

    fn postfix(&mut self) -> Result<Expr, Error> {
        match self.peek() {
            Some(b'(') => {
                self.pos += 1;
                let inner = self.deeper(Self::comma)?;
                if !self.eat(")") {
                    return Err(self.error("missing `)'"));
                }
                Ok(inner)
            }
            Some(b) if b.is_ascii_digit() => self.number(),
            Some(b) if b.is_ascii_alphabetic() || b == b'_' => {
                let place = self.place()?;
                self.blanks();
                match step(&self.text[self.pos..]) {
                    Some(by) => {
                        self.pos += 2;
                        Ok(Expr::Step(place, by, true))
                    }
                    None => Ok(Expr::Read(place)),
                }
            }
            _ => Err(self.error("syntax error: operand expected")),
        }
    }

    fn place(&mut self) -> Result<Place, Error> {
        let start = self.pos;
        while self.peek().is_some_and(is_name_byte) {
            self.pos += 1;
        }
        let name = self.text[start..self.pos].to_owned();
        if self.peek() != Some(b'[') {
            return Ok(Place { name, index: None });
        }
        let open = self.pos + 1;
        let mut depth = 0usize;
        for (i, b) in self.text.bytes().enumerate().skip(self.pos) {
            match b {
                b'[' => depth += 1,
                b']' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.pos = i + 1;
                let index = Some(self.text[open..i].to_owned());
                return Ok(Place { name, index });
            }
        }
        Err(self.error("bad array subscript"))
    }

    fn number(&mut self) -> Result<Expr, Error> {
        let start = self.pos;
        while self.peek().is_some_and(|b| is_name_byte(b) || b == b'#' || b == b'@') {
            self.pos += 1;
        }
        let token = &self.text[start..self.pos];
        number(token)
            .map(Expr::Number)
            .map_err(|message| format!("{message} (error token is \"{token}\")"))
    }
}

fn step(text: &str) -> Option<i64> {
    match text.get(..2) {
        Some("++") => Some(1),
        Some("--") => Some(-1),
        _ => None,
    }
}

fn binary(op: &str) -> Option<Binary> {
    Some(match op {
        "**" => Binary::Pow,
        "*" => Binary::Mul,
        "/" => Binary::Div,
        "%" => Binary::Rem,
        "+" => Binary::Add,
        "-" => Binary::Sub,
        "<<" => Binary::Shl,
        ">>" => Binary::Shr,
        "<" => Binary::Lt,
        "<=" => Binary::Le,
        ">" => Binary::Gt,
        ">=" => Binary::Ge,
        "==" => Binary::Eq,
        "!=" => Binary::Ne,
        "&" => Binary::And,
        "^" => Binary::Xor,
        "|" => Binary::Or,
        _ => return None,
    })
}

/// A constant: decimal, `0x`, `0` octal, `base#digits`.
pub fn number(token: &str) -> Result<i64, &'static str> {
    let (base, digits) = if let Some((base, digits)) = token.split_once('#') {
        match base.parse::<u32>() {
            Ok(base @ 2..=64) => (base, digits),
            _ => return Err("invalid arithmetic base"),
        }
    } else if let Some(hex) = token.strip_prefix("0x").or_else(|| token.strip_prefix("0X")) {
        (16, hex)
    } else if token.len() > 1 && token.starts_with('0') {
        (8, &token[1..])
    } else {
        (10, token)
    };
    if digits.is_empty() && base != 16 {
        return Err("invalid integer constant");
    }
    let mut value: i64 = 0;
    for b in digits.bytes() {
        let digit = digit(b, base).ok_or("invalid number")?;
        if digit >= base {
            return Err("value too great for base");
        }
        value = value.wrapping_mul(i64::from(base)).wrapping_add(i64::from(digit));
    }
    Ok(value)
}

fn digit(b: u8, base: u32) -> Option<u32> {
    Some(match b {
        b'0'..=b'9' => u32::from(b - b'0'),
        b'a'..=b'z' => u32::from(b - b'a') + 10,
        b'A'..=b'Z' if base <= 36 => u32::from(b - b'A') + 10,
        b'A'..=b'Z' => u32::from(b - b'A') + 36,
        b'@' => 62,
        b'_' => 63,
        _ => return None,
    })
}
