//! The functions of the language but those that match and replace (see [`super::matching`]).

use super::ast::{Builtin, Expr, Name};
use super::interp::{Interp, Run, Stop};
use super::value::{Cell, Key, Text, Value};
use super::{format, number, sorting, text, time};
use std::rc::Rc;

impl<'p> Interp<'p> {
    /// Calls a function.
    pub(super) fn builtin(&mut self, builtin: Builtin, args: &'p [Expr]) -> Run<Value> {
        use Builtin as B;
        Ok(Value::Number(match builtin {
            B::Length => return self.length(args.first()),
            B::Substr => return self.substr(args),
            B::Index => {
                let (haystack, needle) = (self.text(&args[0])?, self.text(&args[1])?);
                memchr::memmem::find(&haystack, &needle).map_or(0, |at| text::length(&haystack[..at]) + 1) as f64
            }
            B::Sprintf => return self.sprintf(args),
            B::Tolower | B::Toupper => {
                let original = self.text(&args[0])?;
                return Ok(Value::text(text::change_case(&original, builtin == B::Toupper)));
            }
            B::Split | B::Patsplit => self.split(args, builtin == B::Patsplit)?,
            B::Match => self.match_function(args)?,
            B::Sub | B::Gsub => self.substitute(args, builtin == B::Gsub)?,
            B::Gensub => return self.gensub(args),
            B::Sin => self.number(&args[0])?.sin(),
            B::Cos => self.number(&args[0])?.cos(),
            B::Atan2 => {
                let y = self.number(&args[0])?;
                y.atan2(self.number(&args[1])?)
            }
            B::Exp => self.number(&args[0])?.exp(),
            B::Log => match self.number(&args[0])? {
                // The sign of this one differs between machines.
                value if value < 0.0 => f64::NAN.copysign(-1.0),
                value => value.ln(),
            },
            B::Sqrt => self.number(&args[0])?.sqrt(),
            B::Int => self.number(&args[0])?.trunc(),
            B::Rand => self.random.next(),
            B::Srand => self.srand(args)?,
            B::System => {
                let command = self.text(&args[0])?;
                f64::from(self.streams.system(&command))
            }
            B::Close => {
                let name = self.text(&args[0])?;
                f64::from(self.streams.close(&name))
            }
            B::Fflush => self.fflush(args)?,
            B::Systime => time::now(),
            B::Strftime => return self.strftime(args),
            B::Mktime => time::mktime(&self.text(&args[0])?),
            B::Strtonum => self.strtonum(&args[0])?,
            B::And => self.bits(args, |a, b| a & b)?,
            B::Or => self.bits(args, |a, b| a | b)?,
            B::Xor => self.bits(args, |a, b| a ^ b)?,
            B::Lshift => self.shift(args, |value, count| value.checked_shl(count).unwrap_or(0))?,
            B::Rshift => self.shift(args, |value, count| value.checked_shr(count).unwrap_or(0))?,
            B::Compl => {
                let value = self.number(&args[0])?;
                if value < 0.0 {
                    return Err(Stop::Error("fatal: compl: negative value is not allowed".into()));
                }
                (!(value as u64) & ((1 << 53) - 1)) as f64
            }
            B::Asort | B::Asorti => self.asort(args, builtin == B::Asorti)?,
            B::IsArray => f64::from(u8::from(self.is_array(&args[0]))),
            B::Typeof => return self.type_of(&args[0]),
        }))
    }

    fn cell_of(&self, name: Name) -> &Cell {
        match name {
            Name::Global(slot) => &self.globals[slot],
            Name::Local(slot) => &self.locals[self.frame + slot],
        }
    }

    fn is_array(&self, arg: &Expr) -> bool {
        matches!(arg, Expr::Var(name) if matches!(self.cell_of(*name), Cell::Array(_)))
    }

    fn length(&mut self, arg: Option<&'p Expr>) -> Run<Value> {
        let count = match arg {
            None => text::length(self.record.text(&self.ofs, &self.convfmt)),
            Some(Expr::Var(name)) if matches!(self.cell_of(*name), Cell::Array(_)) => self.array(*name)?.borrow().len(),
            Some(arg) => text::length(&self.text(arg)?),
        };
        Ok(Value::Number(count as f64))
    }

    fn substr(&mut self, args: &'p [Expr]) -> Run<Value> {
        let original = self.text(&args[0])?;
        let start = self.number(&args[1])?;
        let count = match args.get(2) {
            Some(count) => Some(self.number(count)?),
            None => None,
        };
        Ok(Value::text(text::substr(&original, start, count)))
    }

    fn sprintf(&mut self, args: &'p [Expr]) -> Run<Value> {
        let pattern = self.text(&args[0])?;
        let values = args[1..]
            .iter()
            .map(|item| self.eval(item))
            .collect::<Run<Vec<Value>>>()?;
        let mut out = Vec::new();
        format::format(&mut out, &pattern, &values, &self.convfmt)?;
        Ok(Value::text(out))
    }

    fn srand(&mut self, args: &'p [Expr]) -> Run<f64> {
        let seed = match args.first() {
            Some(seed) => self.number(seed)?,
            None => time::now(),
        };
        let old = self.random.seed;
        self.random = super::random::Random::new(seed as i64);
        Ok(old)
    }

    fn fflush(&mut self, args: &'p [Expr]) -> Run<f64> {
        let name = match args.first() {
            Some(name) => self.text(name)?,
            None => Text::default(),
        };
        if name.is_empty() {
            self.streams.flush_all()?;
            return Ok(0.0);
        }
        Ok(if self.streams.flush(&name) { 0.0 } else { -1.0 })
    }

    fn strftime(&mut self, args: &'p [Expr]) -> Run<Value> {
        let pattern = match args.first() {
            Some(pattern) => self.text(pattern)?,
            None => Rc::new(b"%a %b %e %H:%M:%S %Z %Y".to_vec()),
        };
        let moment = match args.get(1) {
            Some(moment) => self.number(moment)?,
            None => time::now(),
        };
        Ok(Value::text(time::strftime(&pattern, moment)))
    }

    fn strtonum(&mut self, arg: &'p Expr) -> Run<f64> {
        let value = self.eval(arg)?;
        let (Value::Text(text) | Value::Input(text)) = &value else {
            return Ok(value.number());
        };
        let trimmed = text.trim_ascii_start();
        let (digits, radix) = match trimmed {
            [b'0', b'x' | b'X', rest @ ..] => (rest, 16),
            [b'0', rest @ ..] if rest.first().is_some_and(u8::is_ascii_digit) && !rest.contains(&b'.') => (rest, 8),
            _ => return Ok(number::value(text)),
        };
        let digits = digits.iter().map_while(|&b| char::from(b).to_digit(radix));
        Ok(digits.fold(0.0, |sum, digit| sum * f64::from(radix) + f64::from(digit)))
    }

    fn bits(&mut self, args: &'p [Expr], combine: fn(u64, u64) -> u64) -> Run<f64> {
        let mut out = None;
        for arg in args {
            let value = self.number(arg)?;
            if value < 0.0 {
                return Err(Stop::Error(
                    "fatal: negative values are not allowed in bit functions".into(),
                ));
            }
            let value = value as u64;
            out = Some(out.map_or(value, |sum| combine(sum, value)));
        }
        Ok(out.unwrap_or(0) as f64)
    }

    fn shift(&mut self, args: &'p [Expr], combine: fn(u64, u32) -> u64) -> Run<f64> {
        let (value, count) = (self.number(&args[0])?, self.number(&args[1])?);
        if value < 0.0 || count < 0.0 {
            return Err(Stop::Error(
                "fatal: negative values are not allowed in shift functions".into(),
            ));
        }
        Ok(combine(value as u64, count as u32) as f64)
    }

    /// `asort` and `asorti`: sorts into the second array, or in place.
    fn asort(&mut self, args: &'p [Expr], by_key: bool) -> Run<f64> {
        let source = self.array_argument(&args[0])?;
        let target = match args.get(1) {
            Some(target) => self.array_argument(target)?,
            None => Rc::clone(&source),
        };
        let order = match args.get(2) {
            Some(order) => self.text(order)?,
            None => Text::default(),
        };
        let mut pairs: Vec<(Text, Value)> = source
            .borrow()
            .iter()
            .map(|(key, value)| (Rc::clone(&key.0), value.clone()))
            .collect();
        if !order.is_empty() {
            sorting::sort(&mut pairs, &order);
        } else if by_key {
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
        } else {
            pairs.sort_by(|a, b| sorting::by_type(&a.1, &b.1));
        }
        let mut target = target.borrow_mut();
        target.clear();
        let count = pairs.len();
        for (index, (key, value)) in pairs.into_iter().enumerate() {
            let value = if by_key { Value::Input(key) } else { value };
            target.insert(Key(Rc::new((index + 1).to_string().into_bytes())), value);
        }
        Ok(count as f64)
    }

    /// An argument that is an array.
    pub(super) fn array_argument(&self, arg: &'p Expr) -> Run<super::value::ArrayRef> {
        match arg {
            Expr::Var(name) => self.array(*name),
            _ => Err(Stop::Error("fatal: argument is not an array".into())),
        }
    }

    fn type_of(&mut self, arg: &'p Expr) -> Run<Value> {
        if self.is_array(arg) {
            return Ok(Value::text("array"));
        }
        if matches!(arg, Expr::Regex(_)) {
            return Ok(Value::text("regexp"));
        }
        let unassigned = if matches!(arg, Expr::Var(_)) {
            "untyped"
        } else {
            "unassigned"
        };
        Ok(Value::text(match self.eval(arg)? {
            Value::Unset => unassigned,
            Value::Number(_) => "number",
            Value::Text(_) => "string",
            Value::Input(text) if number::whole(&text).is_some() => "strnum",
            Value::Input(_) => "string",
        }))
    }
}
