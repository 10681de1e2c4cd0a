//! Expressions.
//!
//! Each is evaluated in the form that its place needs: as a number, as text appended to a buffer, as a condition, or as
//! a value. That keeps sums over fields and printed records free of allocation.

use super::ast::{Arith, Compare, Expr, Name, Source, special};
use super::compare;
use super::interp::{Flow, Interp, NEST_LIMIT, Run, Stop};
use super::number;
use super::value::{Cell, Key, Text, Value};
use std::cmp::Ordering;
use std::rc::Rc;

/// Longest text a program may build, in bytes.
const TEXT_LIMIT: usize = 1 << 30;

impl<'p> Interp<'p> {
    /// For its effect only.
    pub(super) fn effect(&mut self, expr: &'p Expr) -> Run<()> {
        match expr {
            Expr::Step(target, step, _) => self.step(target, *step).map(|_| ()),
            Expr::Assign(target, value) => match (&**target, &**value) {
                (Expr::Var(name), Expr::Concat(parts)) => self.assign_concatenation(*name, parts),
                _ => self.eval(expr).map(|_| ()),
            },
            _ => self.eval(expr).map(|_| ()),
        }
    }

    /// `x = x y`: appends in place when `x` is nobody else's.
    fn assign_concatenation(&mut self, name: Name, parts: &'p [Expr]) -> Run<()> {
        let appends = matches!(&parts[0], Expr::Var(first) if *first == name);
        let plain = !matches!(name, Name::Global(slot) if slot < special::HOOKED);
        if !appends || !plain {
            let mut out = Vec::new();
            for part in parts {
                self.append(part, &mut out)?;
            }
            return self.set(name, Value::text(out));
        }
        let mut tail = Vec::new();
        for part in &parts[1..] {
            self.append(part, &mut tail)?;
        }
        let old = std::mem::take(match self.cell(name) {
            Cell::Scalar(value) => value,
            Cell::Array(_) => return Err(array_as_scalar()),
        });
        let mut text = match old {
            Value::Text(text) | Value::Input(text) => text,
            other => other.to_text(&self.convfmt),
        };
        if text.len() + tail.len() > TEXT_LIMIT {
            return Err(Stop::Error(format!(
                "fatal: string exceeds the limit of {TEXT_LIMIT} bytes"
            )));
        }
        Rc::make_mut(&mut text).extend_from_slice(&tail);
        self.set(name, Value::Text(text))
    }

    fn cell(&mut self, name: Name) -> &mut Cell {
        match name {
            Name::Global(slot) => &mut self.globals[slot],
            Name::Local(slot) => &mut self.locals[self.frame + slot],
        }
    }

    /// The value of a variable.
    pub(super) fn variable(&mut self, name: Name) -> Run<Value> {
        let cell = match name {
            Name::Global(special::NF) => return Ok(Value::Number(self.record.count() as f64)),
            Name::Global(special::NR) => return Ok(Value::Number(self.nr)),
            Name::Global(special::FNR) => return Ok(Value::Number(self.fnr)),
            Name::Global(slot) => &self.globals[slot],
            Name::Local(slot) => &self.locals[self.frame + slot],
        };
        match cell {
            Cell::Scalar(value) => Ok(value.clone()),
            Cell::Array(_) => Err(array_as_scalar()),
        }
    }

    /// The value of an expression.
    pub(super) fn eval(&mut self, expr: &'p Expr) -> Run<Value> {
        Ok(match expr {
            Expr::Number(value) => Value::Number(*value),
            Expr::Text(text) => Value::Text(Rc::clone(text)),
            Expr::Var(name) => self.variable(*name)?,
            Expr::Field(index) => {
                let index = self.field_index(index)?;
                self.field(index)
            }
            Expr::Element(array, subscripts) => return self.element(*array, subscripts),
            Expr::Assign(target, value) => {
                let value = self.eval(value)?;
                self.assign(target, value.clone())?;
                value
            }
            Expr::AssignOp(op, target, value) => Value::Number(self.assign_op(*op, target, value)?),
            Expr::Step(target, step, before) => {
                let old = self.step(target, *step)?;
                Value::Number(if *before { old } else { old + step })
            }
            Expr::Cond(condition, yes, no) => {
                return if self.truth(condition)? {
                    self.eval(yes)
                } else {
                    self.eval(no)
                };
            }
            Expr::Concat(parts) => {
                let mut out = Vec::new();
                for part in parts {
                    self.append(part, &mut out)?;
                }
                if out.len() > TEXT_LIMIT {
                    return Err(Stop::Error(format!(
                        "fatal: string exceeds the limit of {TEXT_LIMIT} bytes"
                    )));
                }
                Value::text(out)
            }
            Expr::Arith(..) | Expr::Negate(_) | Expr::Plus(_) => Value::Number(self.number(expr)?),
            Expr::Getline(source, target) => Value::Number(self.getline(source, target.as_deref())?),
            Expr::Call(function, args) => self.call(*function, args)?,
            Expr::Builtin(builtin, args) => self.builtin(*builtin, args)?,
            Expr::Group(_) => return Err(Stop::Error("fatal: a list is no value".into())),
            Expr::Regex(_)
            | Expr::Or(..)
            | Expr::And(..)
            | Expr::In(..)
            | Expr::Match(..)
            | Expr::Compare(..)
            | Expr::Not(_) => Value::Number(f64::from(u8::from(self.truth(expr)?))),
        })
    }

    /// As a number.
    pub(super) fn number(&mut self, expr: &'p Expr) -> Run<f64> {
        match expr {
            Expr::Number(value) => Ok(*value),
            Expr::Field(index) => {
                let index = self.field_index(index)?;
                if index == 0 {
                    Ok(number::value(self.record.text(&self.ofs, &self.convfmt)))
                } else {
                    Ok(self.record.number(index))
                }
            }
            Expr::Var(name) => match name {
                Name::Global(slot) if *slot >= special::HOOKED => match &self.globals[*slot] {
                    Cell::Scalar(value) => Ok(value.number()),
                    Cell::Array(_) => Err(array_as_scalar()),
                },
                Name::Local(slot) => match &self.locals[self.frame + slot] {
                    Cell::Scalar(value) => Ok(value.number()),
                    Cell::Array(_) => Err(array_as_scalar()),
                },
                _ => Ok(self.variable(*name)?.number()),
            },
            Expr::Arith(op, left, right) => {
                let left = self.number(left)?;
                let right = self.number(right)?;
                arithmetic(*op, left, right)
            }
            Expr::Negate(inner) => Ok(-self.number(inner)?),
            Expr::Plus(inner) => self.number(inner),
            Expr::AssignOp(op, target, value) => self.assign_op(*op, target, value),
            _ => Ok(self.eval(expr)?.number()),
        }
    }

    /// As a condition.
    pub(super) fn truth(&mut self, expr: &'p Expr) -> Run<bool> {
        match expr {
            Expr::Regex(regex) => {
                if self.cache.ignores_case() {
                    let folded = self.cache.get(&regex.source)?;
                    return Ok(folded.regex.is_match(self.record.text(&self.ofs, &self.convfmt)));
                }
                Ok(regex.regex.is_match(self.record.text(&self.ofs, &self.convfmt)))
            }
            Expr::Or(left, right) => Ok(self.truth(left)? || self.truth(right)?),
            Expr::And(left, right) => Ok(self.truth(left)? && self.truth(right)?),
            Expr::Not(inner) => Ok(!self.truth(inner)?),
            Expr::In(subscripts, array) => {
                let array = self.array(*array)?;
                let key = self.subscript(subscripts)?;
                let found = array.borrow().contains_key(key.as_slice());
                self.scratch = key;
                Ok(found)
            }
            Expr::Match(text, regex, negated) => Ok(self.matches(text, regex)? != *negated),
            Expr::Compare(op, left, right) => self.compare(*op, left, right),
            Expr::Number(value) => Ok(*value != 0.0),
            Expr::Arith(..) => Ok(self.number(expr)? != 0.0),
            _ => Ok(self.eval(expr)?.truth()),
        }
    }

    /// As text.
    pub(super) fn text(&mut self, expr: &'p Expr) -> Run<Text> {
        if let Expr::Text(text) = expr {
            return Ok(Rc::clone(text));
        }
        Ok(self.eval(expr)?.to_text(&self.convfmt))
    }

    /// Appends the text.
    pub(super) fn append(&mut self, expr: &'p Expr, out: &mut Vec<u8>) -> Run<()> {
        match expr {
            Expr::Text(text) => out.extend_from_slice(text),
            Expr::Field(index) => {
                let index = self.field_index(index)?;
                if index == 0 {
                    out.extend_from_slice(self.record.text(&self.ofs, &self.convfmt));
                } else if let Some(slice) = self.record.slice(index) {
                    out.extend_from_slice(slice);
                } else {
                    self.record.value(index).push_to(out, &self.convfmt);
                }
            }
            Expr::Concat(parts) => {
                for part in parts {
                    self.append(part, out)?;
                }
            }
            _ => {
                let value = self.eval(expr)?;
                value.push_to(out, &self.convfmt);
            }
        }
        Ok(())
    }

    // Fields and elements.

    fn field_index(&mut self, index: &'p Expr) -> Run<usize> {
        let index = self.number(index)?;
        if index < 0.0 {
            return Err(Stop::Error(format!("fatal: attempt to access field {index}")));
        }
        Ok(index as usize)
    }

    fn field(&mut self, index: usize) -> Value {
        if index == 0 {
            Value::input(self.record.text(&self.ofs, &self.convfmt))
        } else {
            self.record.value(index)
        }
    }

    /// The key of subscripts; give the buffer back as `scratch` when done.
    pub(super) fn subscript(&mut self, subscripts: &'p [Expr]) -> Run<Vec<u8>> {
        let mut key = std::mem::take(&mut self.scratch);
        key.clear();
        for (index, subscript) in subscripts.iter().enumerate() {
            if index > 0 {
                key.extend_from_slice(&self.subsep);
            }
            self.append(subscript, &mut key)?;
        }
        Ok(key)
    }

    fn element(&mut self, array: Name, subscripts: &'p [Expr]) -> Run<Value> {
        let array = self.array(array)?;
        let key = self.subscript(subscripts)?;
        let found = array.borrow().get(key.as_slice()).cloned();
        let value = match found {
            Some(value) => value,
            None => {
                array.borrow_mut().insert(Key(Rc::new(key.clone())), Value::Unset);
                Value::Unset
            }
        };
        self.scratch = key;
        Ok(value)
    }

    // Assignment.

    /// Assigns to a variable, field or element.
    pub(super) fn assign(&mut self, target: &'p Expr, value: Value) -> Run<()> {
        match target {
            Expr::Var(name) => self.set(*name, value),
            Expr::Field(index) => {
                let index = self.field_index(index)?;
                self.set_field(index, value)
            }
            Expr::Element(array, subscripts) => {
                let array = self.array(*array)?;
                let key = self.subscript(subscripts)?;
                let mut array = array.borrow_mut();
                match array.get_mut(key.as_slice()) {
                    Some(old) => *old = value,
                    None => {
                        array.insert(Key(Rc::new(key.clone())), value);
                    }
                }
                self.scratch = key;
                Ok(())
            }
            _ => Err(Stop::Error("fatal: assignment to something that is no variable".into())),
        }
    }

    pub(super) fn set_field(&mut self, index: usize, value: Value) -> Run<()> {
        if index == 0 {
            let text = value.to_text(&self.convfmt);
            self.record.replace(|buffer| buffer.extend_from_slice(&text));
            return Ok(());
        }
        Ok(self.record.assign(index, value)?)
    }

    /// Reads a number, replaces it by what `change` makes of it, returns both.
    fn update(&mut self, target: &'p Expr, change: impl FnOnce(f64) -> Run<f64>) -> Run<(f64, f64)> {
        match target {
            Expr::Var(Name::Global(slot)) if *slot >= special::HOOKED => update_cell(&mut self.globals[*slot], change),
            Expr::Var(Name::Local(slot)) => update_cell(&mut self.locals[self.frame + slot], change),
            Expr::Element(array, subscripts) => {
                let array = self.array(*array)?;
                let key = self.subscript(subscripts)?;
                let mut array = array.borrow_mut();
                let out = match array.get_mut(key.as_slice()) {
                    Some(value) => {
                        let old = value.number();
                        let new = change(old)?;
                        *value = Value::Number(new);
                        (old, new)
                    }
                    None => {
                        let new = change(0.0)?;
                        array.insert(Key(Rc::new(key.clone())), Value::Number(new));
                        (0.0, new)
                    }
                };
                self.scratch = key;
                Ok(out)
            }
            Expr::Field(index) => {
                let index = self.field_index(index)?;
                let old = self.field(index).number();
                let new = change(old)?;
                self.set_field(index, Value::Number(new))?;
                Ok((old, new))
            }
            Expr::Var(name) => {
                let old = self.variable(*name)?.number();
                let new = change(old)?;
                self.set(*name, Value::Number(new))?;
                Ok((old, new))
            }
            _ => Err(Stop::Error("fatal: assignment to something that is no variable".into())),
        }
    }

    fn assign_op(&mut self, op: Arith, target: &'p Expr, value: &'p Expr) -> Run<f64> {
        let right = self.number(value)?;
        self.update(target, |left| arithmetic(op, left, right))
            .map(|(_, new)| new)
    }

    /// Increments; the value before.
    fn step(&mut self, target: &'p Expr, step: f64) -> Run<f64> {
        self.update(target, |old| Ok(old + step)).map(|(old, _)| old)
    }

    // Comparison and matching.

    fn compare(&mut self, op: Compare, left: &'p Expr, right: &'p Expr) -> Run<bool> {
        let a = self.eval(left)?;
        let b = self.eval(right)?;
        if let (Value::Number(a), Value::Number(b)) = (&a, &b) {
            return Ok(match op {
                Compare::Less => a < b,
                Compare::LessEqual => a <= b,
                Compare::Equal => a == b,
                Compare::NotEqual => a != b,
                Compare::Greater => a > b,
                Compare::GreaterEqual => a >= b,
            });
        }
        let order = compare::ordering(&a, &b, &self.convfmt);
        Ok(match op {
            Compare::Less => order == Ordering::Less,
            Compare::LessEqual => order != Ordering::Greater,
            Compare::Equal => order == Ordering::Equal,
            Compare::NotEqual => order != Ordering::Equal,
            Compare::Greater => order == Ordering::Greater,
            Compare::GreaterEqual => order != Ordering::Less,
        })
    }

    fn matches(&mut self, text: &'p Expr, regex: &'p Expr) -> Run<bool> {
        let compiled = self.compiled(regex)?;
        if let Expr::Field(index) = text {
            let index = self.field_index(index)?;
            if index == 0 {
                return Ok(compiled.regex.is_match(self.record.text(&self.ofs, &self.convfmt)));
            }
            if let Some(slice) = self.record.slice(index) {
                return Ok(compiled.regex.is_match(slice));
            }
        }
        let text = self.text(text)?;
        Ok(compiled.regex.is_match(&text))
    }

    /// The expression to match with: a constant, or the value of anything else.
    pub(super) fn compiled(&mut self, regex: &'p Expr) -> Run<Rc<super::regexes::Compiled>> {
        if let Expr::Regex(compiled) = regex {
            if !self.cache.ignores_case() {
                return Ok(Rc::clone(compiled));
            }
            return Ok(self.cache.get(&compiled.source)?);
        }
        let text = self.text(regex)?;
        Ok(self.cache.get(&text)?)
    }

    // Functions.

    fn call(&mut self, number: usize, args: &'p [Expr]) -> Run<Value> {
        let program = self.program;
        let function = &program.functions[number];
        if self.depth + function.height > NEST_LIMIT {
            let name = &function.name;
            return Err(Stop::Error(format!(
                "fatal: calls nest too deeply at function `{name}': limit {NEST_LIMIT}"
            )));
        }
        let mut cells = Vec::with_capacity(function.params.len());
        for (position, is_array) in function.params.iter().enumerate() {
            cells.push(match args.get(position) {
                None => Cell::new(*is_array),
                Some(Expr::Var(name)) if *is_array => Cell::Array(self.array(*name)?),
                Some(_) if *is_array => {
                    let name = &function.name;
                    return Err(Stop::Error(format!(
                        "fatal: function `{name}' needs an array as argument {}",
                        position + 1
                    )));
                }
                Some(arg) => Cell::Scalar(self.eval(arg)?),
            });
        }
        let frame = self.locals.len();
        self.locals.append(&mut cells);
        let caller = std::mem::replace(&mut self.frame, frame);
        self.depth += function.height;
        let flow = self.exec(&function.body);
        self.depth -= function.height;
        self.frame = caller;
        self.locals.truncate(frame);
        Ok(match flow? {
            Flow::Return(value) => value,
            _ => Value::Unset,
        })
    }

    // getline.

    fn getline(&mut self, source: &'p Source, target: Option<&'p Expr>) -> Run<f64> {
        let mut buffer = std::mem::take(&mut self.spare);
        buffer.clear();
        let found = match source {
            Source::Main => match self.read_main(&mut buffer) {
                Ok(found) => f64::from(u8::from(found)),
                Err(stop) => return Err(stop),
            },
            Source::File(name) | Source::Command(name) => {
                let command = matches!(source, Source::Command(_));
                let name = self.text(name)?;
                match self.streams.reader(&name, command) {
                    None => -1.0,
                    Some(reader) => match reader.read(&self.separator, &mut buffer, &mut self.terminator) {
                        Ok(found) => f64::from(u8::from(found)),
                        Err(_) => -1.0,
                    },
                }
            }
        };
        if found > 0.0 {
            match target {
                None => self.record.exchange(&mut buffer),
                Some(target) => {
                    let value = Value::input(buffer.as_slice());
                    self.assign(target, value)?;
                }
            }
        }
        self.spare = buffer;
        Ok(found)
    }
}

fn update_cell(cell: &mut Cell, change: impl FnOnce(f64) -> Run<f64>) -> Run<(f64, f64)> {
    match cell {
        Cell::Scalar(value) => {
            let old = value.number();
            let new = change(old)?;
            *value = Value::Number(new);
            Ok((old, new))
        }
        Cell::Array(_) => Err(array_as_scalar()),
    }
}

fn array_as_scalar() -> Stop {
    Stop::Error("fatal: attempt to use an array in a scalar context".into())
}

fn arithmetic(op: Arith, left: f64, right: f64) -> Run<f64> {
    Ok(match op {
        Arith::Add => left + right,
        Arith::Sub => left - right,
        Arith::Mul => left * right,
        Arith::Div if right == 0.0 => return Err(Stop::Error("fatal: division by zero attempted".into())),
        Arith::Div => left / right,
        Arith::Mod if right == 0.0 => return Err(Stop::Error("fatal: division by zero attempted in `%'".into())),
        // Whole numbers are the usual case, and much quicker as such.
        Arith::Mod if whole(left) && whole(right) => {
            let rest = (left as i64 % right as i64) as f64;
            if rest == 0.0 && left.is_sign_negative() {
                -0.0
            } else {
                rest
            }
        }
        Arith::Mod => left % right,
        Arith::Pow => power(left, right),
    })
}

/// Whether a number is whole and small enough for exact integers.
fn whole(value: f64) -> bool {
    value == value.trunc() && value.abs() < 9e15
}

/// Whole exponents by squaring, so that whole powers are exact.
fn power(base: f64, exponent: f64) -> f64 {
    if exponent == exponent.trunc() && exponent.abs() <= 1024.0 {
        base.powi(exponent as i32)
    } else {
        base.powf(exponent)
    }
}
