//! Running statements.

use super::math;
use super::number::{DIGIT_LIMIT, Number};
use super::parse::{Argument, Expr, Function, Printed, Stmt, Target};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::rc::Rc;

/// Deepest recursion of functions.
const CALL_LIMIT: usize = if cfg!(target_family = "wasm") { 400 } else { 1500 };
/// Largest index of an array.
const INDEX_LIMIT: i64 = 16_777_215;

type Array = HashMap<i64, Number>;

/// Why a line ended early.
pub enum Stop {
    Error(String),
    Quit,
}

impl From<String> for Stop {
    fn from(message: String) -> Self {
        Self::Error(message)
    }
}

type Run<T> = Result<T, Stop>;

enum Flow {
    Normal,
    Break,
    Continue,
    Return(Number),
}

/// The state of a session.
pub struct Machine<W: Write> {
    names: HashMap<String, Number>,
    arrays: HashMap<String, Array>,
    functions: HashMap<String, Rc<Function>>,
    scale: usize,
    ibase: u32,
    obase: u64,
    last: Number,
    math: bool,
    depth: usize,
    line_length: usize,
    /// Where results go.
    pub out: W,
}

impl<W: Write> Machine<W> {
    /// A session; with `math` the functions of `-l` and a scale of 20.
    pub fn new(math: bool, out: W) -> Self {
        let length = std::env::var("BC_LINE_LENGTH")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(70);
        Self {
            names: HashMap::new(),
            arrays: HashMap::new(),
            functions: HashMap::new(),
            scale: if math { 20 } else { 0 },
            ibase: 10,
            obase: 10,
            last: Number::zero(),
            math,
            depth: 0,
            line_length: length,
            out,
        }
    }

    /// Runs the statements of a line.
    ///
    /// # Errors
    ///
    /// A message, or that the session ends.
    pub fn run(&mut self, statements: &[Stmt]) -> Run<()> {
        for statement in statements {
            match self.exec(statement)? {
                Flow::Normal => {}
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> Run<()> {
        self.out
            .write_all(text.as_bytes())
            .map_err(|error| Stop::Error(error.to_string()))
    }

    fn show(&mut self, value: &Number) -> Run<()> {
        self.last = value.clone();
        let text = wrapped(&value.format(self.obase), self.line_length);
        self.write(&text)
    }

    fn exec(&mut self, statement: &Stmt) -> Run<Flow> {
        match statement {
            Stmt::Expr(expr, shown) => {
                let value = self.eval(expr)?;
                if *shown {
                    self.show(&value)?;
                    self.write("\n")?;
                }
            }
            Stmt::Text(text) => self.write(text)?,
            Stmt::Print(items) => {
                for item in items {
                    match item {
                        Printed::Text(text) => self.write(&unescape(text))?,
                        Printed::Value(expr) => {
                            let value = self.eval(expr)?;
                            self.show(&value)?;
                        }
                    }
                }
            }
            Stmt::Block(body) => return self.exec_all(body),
            Stmt::If(condition, then, other) => {
                if !self.eval(condition)?.is_zero() {
                    return self.exec(then);
                } else if let Some(other) = other {
                    return self.exec(other);
                }
            }
            Stmt::While(condition, body) => {
                while !self.eval(condition)?.is_zero() {
                    match self.exec(body)? {
                        Flow::Break => break,
                        Flow::Normal | Flow::Continue => {}
                        flow => return Ok(flow),
                    }
                }
            }
            Stmt::For(start, condition, step, body) => {
                if let Some(start) = start {
                    self.eval(start)?;
                }
                loop {
                    if let Some(condition) = condition
                        && self.eval(condition)?.is_zero()
                    {
                        break;
                    }
                    match self.exec(body)? {
                        Flow::Break => break,
                        Flow::Normal | Flow::Continue => {}
                        flow => return Ok(flow),
                    }
                    if let Some(step) = step {
                        self.eval(step)?;
                    }
                }
            }
            Stmt::Define(function) => {
                self.functions.insert(function.name.clone(), Rc::clone(function));
            }
            Stmt::Return(value) => {
                return Ok(Flow::Return(match value {
                    Some(value) => self.eval(value)?,
                    None => Number::zero(),
                }));
            }
            Stmt::Break => return Ok(Flow::Break),
            Stmt::Continue => return Ok(Flow::Continue),
            Stmt::Quit | Stmt::Halt => return Err(Stop::Quit),
            Stmt::Nothing => {}
        }
        Ok(Flow::Normal)
    }

    fn exec_all(&mut self, body: &[Stmt]) -> Run<Flow> {
        for statement in body {
            match self.exec(statement)? {
                Flow::Normal => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Normal)
    }

    fn index(&mut self, index: &Expr) -> Run<i64> {
        let index = self
            .eval(index)?
            .to_i64()
            .filter(|index| (0..=INDEX_LIMIT).contains(index));
        index.ok_or_else(|| Stop::Error("Array subscript out of bounds.".to_owned()))
    }

    fn read(&mut self, target: &Target) -> Run<Number> {
        Ok(match target {
            Target::Name(name) => self.names.get(name).cloned().unwrap_or_else(Number::zero),
            Target::Element(name, index) => {
                let index = self.index(index)?;
                let found = self.arrays.get(name).and_then(|array| array.get(&index)).cloned();
                found.unwrap_or_else(Number::zero)
            }
            Target::Scale => Number::from(self.scale as i64),
            Target::Ibase => Number::from(i64::from(self.ibase)),
            Target::Obase => Number::from(self.obase as i64),
            Target::Last => self.last.clone(),
        })
    }

    fn write_target(&mut self, target: &Target, value: Number) -> Run<()> {
        match target {
            Target::Name(name) => {
                self.names.insert(name.clone(), value);
            }
            Target::Element(name, index) => {
                let index = self.index(index)?;
                self.arrays.entry(name.clone()).or_default().insert(index, value);
            }
            Target::Scale => {
                let scale = value.to_i64().and_then(|scale| usize::try_from(scale).ok());
                self.scale = scale
                    .filter(|&scale| scale <= DIGIT_LIMIT)
                    .ok_or("scale out of range".to_owned())?;
            }
            Target::Ibase => self.ibase = value.to_i64().unwrap_or(10).clamp(2, 16) as u32,
            Target::Obase => self.obase = value.to_i64().unwrap_or(10).clamp(2, 1 << 30) as u64,
            Target::Last => self.last = value,
        }
        Ok(())
    }

    fn eval(&mut self, expr: &Expr) -> Run<Number> {
        match expr {
            Expr::Number(digits) => Ok(Number::parse(digits, self.ibase)),
            Expr::Read(target) => self.read(target),
            Expr::Assign(target, op, value) => {
                let value = self.eval(value)?;
                let value = match op {
                    None => value,
                    Some(op) => {
                        let old = self.read(target)?;
                        self.arithmetic(op, &old, &value)?
                    }
                };
                self.write_target(target, value.clone())?;
                Ok(value)
            }
            Expr::Step(target, up, before) => {
                let old = self.read(target)?;
                let new = if *up {
                    old.add(&Number::one())
                } else {
                    old.sub(&Number::one())
                };
                self.write_target(target, new.clone())?;
                Ok(if *before { old } else { new })
            }
            Expr::Negate(inner) => Ok(self.eval(inner)?.negate()),
            Expr::Not(inner) => Ok(truth(self.eval(inner)?.is_zero())),
            Expr::Binary("&&", left, right) => Ok(truth(!self.eval(left)?.is_zero() && !self.eval(right)?.is_zero())),
            Expr::Binary("||", left, right) => Ok(truth(!self.eval(left)?.is_zero() || !self.eval(right)?.is_zero())),
            Expr::Binary(op, left, right) => {
                let left = self.eval(left)?;
                let right = self.eval(right)?;
                self.arithmetic(op, &left, &right)
            }
            Expr::Call(name, args) => self.call(name, args),
            Expr::Builtin(name, inner) => {
                let value = self.eval(inner)?;
                Ok(match *name {
                    "length" => Number::from(value.length() as i64),
                    "scale" => Number::from(value.scale() as i64),
                    "abs" => {
                        if value.is_negative() {
                            value.negate()
                        } else {
                            value
                        }
                    }
                    _ => value.sqrt(self.scale)?,
                })
            }
            Expr::LengthOf(name) => Ok(Number::from(
                self.arrays.get(name).map_or(0, |array| array.len() as i64),
            )),
            Expr::ReadInput => {
                let mut line = String::new();
                let _ = self.out.flush();
                io::stdin()
                    .lock()
                    .read_line(&mut line)
                    .map_err(|error| Stop::Error(error.to_string()))?;
                let text = line.trim();
                let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
                let good = digits.chars().all(|c| c.is_ascii_hexdigit() || c == '.');
                let value = Number::parse(if good { digits } else { "0" }, self.ibase);
                Ok(if negative { value.negate() } else { value })
            }
        }
    }

    fn arithmetic(&mut self, op: &str, left: &Number, right: &Number) -> Run<Number> {
        let order = || left.compare(right);
        Ok(match op {
            "+" => left.add(right),
            "-" => left.sub(right),
            "*" => {
                if left.length() + right.length() > DIGIT_LIMIT {
                    return Err(Stop::Error(format!("result exceeds the limit of {DIGIT_LIMIT} digits")));
                }
                left.multiply(right, self.scale)
            }
            "/" => left.divide(right, self.scale)?,
            "%" => left.modulo(right, self.scale)?,
            "^" => {
                if right.scale() > 0 && right.with_scale(0).compare(right) != Ordering::Equal {
                    eprintln!("Runtime warning (func=(main), adr=0): non-zero scale in exponent");
                }
                left.power(right, self.scale)?
            }
            "<" => truth(order() == Ordering::Less),
            "<=" => truth(order() != Ordering::Greater),
            ">" => truth(order() == Ordering::Greater),
            ">=" => truth(order() != Ordering::Less),
            "==" => truth(order() == Ordering::Equal),
            _ => truth(order() != Ordering::Equal),
        })
    }

    fn call(&mut self, name: &str, args: &[Argument]) -> Run<Number> {
        let Some(function) = self.functions.get(name).cloned() else {
            return self.library(name, args);
        };
        if args.len() != function.params.len() {
            return Err(Stop::Error("Parameter number mismatch".to_owned()));
        }
        if self.depth >= CALL_LIMIT {
            return Err(Stop::Error(format!(
                "function {name} nests deeper than the limit of {CALL_LIMIT} calls"
            )));
        }
        let mut values = Vec::new();
        let mut arrays = Vec::new();
        for (arg, (param, _)) in args.iter().zip(&function.params) {
            match arg {
                Argument::Value(expr) => values.push((param.clone(), self.eval(expr)?)),
                Argument::Array(array) => {
                    arrays.push((param.clone(), self.arrays.get(array).cloned().unwrap_or_default()))
                }
            }
        }
        for (auto, is_array) in &function.autos {
            if *is_array {
                arrays.push((auto.clone(), Array::new()));
            } else {
                values.push((auto.clone(), Number::zero()));
            }
        }
        // What the names meant before comes back afterwards.
        let saved: Vec<(String, Option<Number>)> = values
            .into_iter()
            .map(|(name, value)| (name.clone(), self.names.insert(name, value)))
            .collect();
        let saved_arrays: Vec<(String, Option<Array>)> = arrays
            .into_iter()
            .map(|(name, array)| (name.clone(), self.arrays.insert(name, array)))
            .collect();
        self.depth += 1;
        let flow = self.exec_all(&function.body);
        self.depth -= 1;
        for (name, value) in saved.into_iter().rev() {
            match value {
                Some(value) => self.names.insert(name, value),
                None => self.names.remove(&name),
            };
        }
        for (name, array) in saved_arrays.into_iter().rev() {
            match array {
                Some(array) => self.arrays.insert(name, array),
                None => self.arrays.remove(&name),
            };
        }
        match flow? {
            Flow::Return(value) => Ok(value),
            _ => Ok(Number::zero()),
        }
    }

    fn library(&mut self, name: &str, args: &[Argument]) -> Run<Number> {
        let mut values = Vec::new();
        for arg in args {
            match arg {
                Argument::Value(expr) => values.push(self.eval(expr)?),
                Argument::Array(_) => return Err(Stop::Error("Parameter type mismatch".to_owned())),
            }
        }
        let scale = self.scale;
        let outcome = match (name, values.as_slice()) {
            _ if !self.math => return Err(Stop::Error(format!("Function {name} not defined."))),
            ("e", [x]) => math::exp(x, scale),
            ("l", [x]) => math::ln(x, scale),
            ("s", [x]) => math::sin(x, scale),
            ("c", [x]) => math::cos(x, scale),
            ("a", [x]) => math::atan(x, scale),
            ("j", [n, x]) => math::bessel(n, x, scale),
            ("e" | "l" | "s" | "c" | "a" | "j", _) => return Err(Stop::Error("Parameter number mismatch".to_owned())),
            _ => return Err(Stop::Error(format!("Function {name} not defined."))),
        };
        Ok(outcome?)
    }
}

fn truth(value: bool) -> Number {
    if value { Number::one() } else { Number::zero() }
}

/// Lines of at most `length` characters, continued with a backslash.
fn wrapped(text: &str, length: usize) -> String {
    if length < 3 || text.len() <= length - 2 {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + text.len() / 30);
    for (at, c) in text.char_indices() {
        if at > 0 && at % (length - 2) == 0 {
            out.push_str("\\\n");
        }
        out.push(c);
    }
    out
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('a') => out.push('\x07'),
            Some('b') => out.push('\x08'),
            Some('f') => out.push('\x0c'),
            Some('q') => out.push('"'),
            Some('\\') => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    out
}
