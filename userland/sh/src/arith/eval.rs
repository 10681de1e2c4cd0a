//! Evaluation.

use super::parse::{number, parse};
use super::{Binary, Error, Expr, Place, Unary};

/// Deepest chain of variables that hold expressions.
const MAX_DEPTH: usize = 100;

/// Where an expression finds its variables.
pub trait Context {
    /// Text of a variable; `None` when it is not set.
    fn read(&mut self, place: &Place) -> Result<Option<String>, Error>;
    /// Sets a variable.
    fn write(&mut self, place: &Place, value: i64) -> Result<(), Error>;
}

/// Evaluates an expression.
pub fn evaluate(expr: &Expr, context: &mut dyn Context) -> Result<i64, Error> {
    eval(expr, context, 0)
}

fn eval(expr: &Expr, cx: &mut dyn Context, depth: usize) -> Result<i64, Error> {
    Ok(match expr {
        Expr::Number(n) => *n,
        Expr::Read(place) => read(place, cx, depth)?,
        Expr::Unary(op, x) => unary(*op, eval(x, cx, depth)?),
        Expr::Binary(op, x, y) => {
            let x = eval(x, cx, depth)?;
            binary(*op, x, eval(y, cx, depth)?)?
        }
        Expr::LogicalAnd(x, y) => i64::from(eval(x, cx, depth)? != 0 && eval(y, cx, depth)? != 0),
        Expr::LogicalOr(x, y) => i64::from(eval(x, cx, depth)? != 0 || eval(y, cx, depth)? != 0),
        Expr::Conditional(test, yes, no) => {
            let branch = if eval(test, cx, depth)? != 0 { yes } else { no };
            eval(branch, cx, depth)?
        }
        Expr::Comma(x, y) => {
            eval(x, cx, depth)?;
            eval(y, cx, depth)?
        }
        Expr::Assign(place, op, value) => {
            let value = match op {
                None => eval(value, cx, depth)?,
                Some(op) => {
                    let old = read(place, cx, depth)?;
                    binary(*op, old, eval(value, cx, depth)?)?
                }
            };
            cx.write(place, value)?;
            value
        }
        Expr::Step(place, by, postfix) => {
            let old = read(place, cx, depth)?;
            let new = old.wrapping_add(*by);
            cx.write(place, new)?;
            if *postfix { old } else { new }
        }
    })
}

fn read(place: &Place, cx: &mut dyn Context, depth: usize) -> Result<i64, Error> {
    let Some(text) = cx.read(place)? else { return Ok(0) };
    if let Some(n) = plain(&text) {
        return Ok(n);
    }
    if depth >= MAX_DEPTH {
        return Err(format!(
            "expression recursion level exceeded (error token is \"{}\")",
            place.name
        ));
    }
    let expr = parse(&text)?;
    eval(&expr, cx, depth + 1)
}

/// The value of the commonest kind of text: a plain decimal number.
fn plain(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    match digits {
        [] if text.is_empty() => Some(0),
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] if digits.len() < 19 => text.parse().ok(),
        [b'0', ..] if !text.starts_with('-') => number(text).ok(),
        _ => None,
    }
}

fn unary(op: Unary, x: i64) -> i64 {
    match op {
        Unary::Plus => x,
        Unary::Minus => x.wrapping_neg(),
        Unary::Not => i64::from(x == 0),
        Unary::Complement => !x,
    }
}

fn binary(op: Binary, x: i64, y: i64) -> Result<i64, Error> {
    Ok(match op {
        Binary::Pow if y < 0 => return Err("exponent less than 0".to_owned()),
        Binary::Pow => power(x, y),
        Binary::Mul => x.wrapping_mul(y),
        Binary::Div | Binary::Rem if y == 0 => return Err("division by 0".to_owned()),
        Binary::Div => x.wrapping_div(y),
        Binary::Rem => x.wrapping_rem(y),
        Binary::Add => x.wrapping_add(y),
        Binary::Sub => x.wrapping_sub(y),
        Binary::Shl => x.wrapping_shl(y as u32),
        Binary::Shr => x.wrapping_shr(y as u32),
        Binary::Lt => i64::from(x < y),
        Binary::Le => i64::from(x <= y),
        Binary::Gt => i64::from(x > y),
        Binary::Ge => i64::from(x >= y),
        Binary::Eq => i64::from(x == y),
        Binary::Ne => i64::from(x != y),
        Binary::And => x & y,
        Binary::Xor => x ^ y,
        Binary::Or => x | y,
    })
}

fn power(mut base: i64, mut exponent: i64) -> i64 {
    let mut result: i64 = 1;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    impl Context for HashMap<String, String> {
        fn read(&mut self, place: &Place) -> Result<Option<String>, Error> {
            Ok(self.get(&place.name).cloned())
        }

        fn write(&mut self, place: &Place, value: i64) -> Result<(), Error> {
            self.insert(place.name.clone(), value.to_string());
            Ok(())
        }
    }

    fn value(text: &str) -> Result<i64, Error> {
        let mut variables = HashMap::from([("x".to_owned(), "3".to_owned()), ("e".to_owned(), "x + 1".to_owned())]);
        evaluate(&parse(text)?, &mut variables)
    }

    #[test]
    fn precedence_and_associativity() {
        for (text, expected) in [
            ("1 + 2 * 3", 7),
            ("2 ** 3 ** 2", 512),
            ("-2 ** 2", 4),
            ("10 - 3 - 2", 5),
            ("1 << 2 + 1", 8),
            ("1 ? 2 : 3 ? 4 : 5", 2),
            ("0x10 + 010 + 2#101", 29),
            ("x++ + ++x", 8),
            ("(x = 5, x * 2)", 10),
            ("e * 2", 8),
            ("!0 && ~0", 1),
            ("x -= 1", 2),
            ("5 % 3 == 2 || 1 / 0", 1),
            ("- -5", 5),
            ("--5", 5),
            ("1 <= 2", 1),
            ("x<<=1", 6),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn errors() {
        for text in ["1 +", "1 / 0", "5 = 6", "09", "(1", "1 2", "2 ** -1"] {
            assert!(value(text).is_err(), "{text}");
        }
    }
}
