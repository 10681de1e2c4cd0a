//! Expressions, from the lowest precedence to the highest.

use super::ast::{Arith, Builtin, Compare, Expr, Source};
use super::lexer::Token;
use super::parser::{Context, Failure, Parser};
use super::regexes;
use super::resolve::Use;
use std::rc::Rc;

type Parsed<T> = Result<T, Failure>;

impl Parser {
    /// Any expression.
    pub(super) fn expr(&mut self, context: Context) -> Parsed<Expr> {
        let out = self.expr_or_group(context)?;
        if matches!(out, Expr::Group(_)) {
            Err(self.unexpected())
        } else {
            Ok(out)
        }
    }

    /// Any expression, or a list in brackets.
    pub(super) fn expr_or_group(&mut self, context: Context) -> Parsed<Expr> {
        self.nested(|parser| parser.assignment(context))
    }

    fn assignment(&mut self, context: Context) -> Parsed<Expr> {
        let left = self.conditional(context)?;
        let Token::Op(op) = *self.token() else { return Ok(left) };
        let arith = match op {
            "=" => None,
            "+=" => Some(Arith::Add),
            "-=" => Some(Arith::Sub),
            "*=" => Some(Arith::Mul),
            "/=" => Some(Arith::Div),
            "%=" => Some(Arith::Mod),
            "^=" => Some(Arith::Pow),
            _ => return Ok(left),
        };
        // `1 + x = 2` and `$1 == x = 2` assign to the operand next to the sign.
        let (left, wrap) = split_target(left);
        let Some(wrap) = wrap else {
            return Err(self.unexpected());
        };
        self.advance();
        self.skip_newlines();
        let value = Box::new(self.nested(|parser| parser.assignment(context))?);
        let left = Box::new(left);
        Ok(wrap(match arith {
            None => Expr::Assign(left, value),
            Some(arith) => Expr::AssignOp(arith, left, value),
        }))
    }

    fn conditional(&mut self, context: Context) -> Parsed<Expr> {
        let condition = self.or(context)?;
        if !self.take_op("?") {
            return Ok(condition);
        }
        self.skip_newlines();
        let yes = self.nested(|parser| parser.assignment(context))?;
        self.skip_newlines();
        self.expect(":")?;
        self.skip_newlines();
        let no = self.nested(|parser| parser.assignment(context))?;
        Ok(Expr::Cond(Box::new(condition), Box::new(yes), Box::new(no)))
    }

    fn or(&mut self, context: Context) -> Parsed<Expr> {
        let mut left = self.and(context)?;
        let mut length = 0;
        while self.take_op("||") {
            length += 1;
            self.chain(length)?;
            self.skip_newlines();
            left = Expr::Or(Box::new(left), Box::new(self.and(context)?));
        }
        Ok(left)
    }

    fn and(&mut self, context: Context) -> Parsed<Expr> {
        let mut left = self.membership(context)?;
        let mut length = 0;
        while self.take_op("&&") {
            length += 1;
            self.chain(length)?;
            self.skip_newlines();
            left = Expr::And(Box::new(left), Box::new(self.membership(context)?));
        }
        Ok(left)
    }

    fn membership(&mut self, context: Context) -> Parsed<Expr> {
        let mut left = self.matching(context)?;
        let mut length = 0;
        while self.is_keyword("in") && !context.no_in {
            length += 1;
            self.chain(length)?;
            self.advance();
            let Token::Name(name) = self.advance() else {
                return Err(self.unexpected());
            };
            let array = self.name(&name, Use::Array)?;
            let subscripts = match left {
                Expr::Group(items) => items,
                one => vec![one],
            };
            left = Expr::In(subscripts, array);
        }
        Ok(left)
    }

    fn matching(&mut self, context: Context) -> Parsed<Expr> {
        let mut left = self.comparison(context)?;
        let mut length = 0;
        loop {
            let negated = match self.token() {
                Token::Op("~") => false,
                Token::Op("!~") => true,
                _ => return Ok(left),
            };
            length += 1;
            self.chain(length)?;
            self.advance();
            self.skip_newlines();
            let right = self.comparison(context)?;
            left = Expr::Match(Box::new(left), Box::new(right), negated);
        }
    }

    fn comparison(&mut self, context: Context) -> Parsed<Expr> {
        let left = self.piped(context)?;
        let compare = match self.token() {
            Token::Op("<") => Compare::Less,
            Token::Op("<=") => Compare::LessEqual,
            Token::Op("==") => Compare::Equal,
            Token::Op("!=") => Compare::NotEqual,
            Token::Op(">") if !context.no_greater => Compare::Greater,
            Token::Op(">=") => Compare::GreaterEqual,
            _ => return Ok(left),
        };
        self.advance();
        self.skip_newlines();
        let right = self.piped(context)?;
        Ok(Expr::Compare(compare, Box::new(left), Box::new(right)))
    }

    /// `command | getline`.
    fn piped(&mut self, context: Context) -> Parsed<Expr> {
        let mut left = self.concatenation(context)?;
        let mut length = 0;
        while self.is_op("|") && *self.peek(1) == Token::Keyword("getline") {
            length += 1;
            self.chain(length)?;
            self.advance();
            self.advance();
            let target = self.getline_target()?;
            left = Expr::Getline(Source::Command(Box::new(left)), target);
        }
        Ok(left)
    }

    pub(super) fn concatenation(&mut self, context: Context) -> Parsed<Expr> {
        let first = self.additive(context)?;
        if !self.begins_operand() {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.begins_operand() {
            parts.push(self.additive(context)?);
        }
        Ok(Expr::Concat(parts))
    }

    /// `-` and `+` after an operand are binary, and so never begin the next one.
    fn begins_operand(&self) -> bool {
        match self.token() {
            Token::Number(_) | Token::Text(_) | Token::Regex(_) => true,
            Token::Name(_) | Token::Call(_) | Token::Builtin(_) => true,
            Token::Op(op) => matches!(*op, "(" | "$" | "!" | "++" | "--"),
            _ => false,
        }
    }

    fn additive(&mut self, context: Context) -> Parsed<Expr> {
        let mut left = self.multiplicative(context)?;
        let mut length = 0;
        loop {
            let arith = match self.token() {
                Token::Op("+") => Arith::Add,
                Token::Op("-") => Arith::Sub,
                _ => return Ok(left),
            };
            length += 1;
            self.chain(length)?;
            self.advance();
            self.skip_newlines();
            left = Expr::Arith(arith, Box::new(left), Box::new(self.multiplicative(context)?));
        }
    }

    fn multiplicative(&mut self, context: Context) -> Parsed<Expr> {
        let mut left = self.unary(context)?;
        let mut length = 0;
        loop {
            let arith = match self.token() {
                Token::Op("*") => Arith::Mul,
                Token::Op("/") => Arith::Div,
                Token::Op("%") => Arith::Mod,
                _ => return Ok(left),
            };
            length += 1;
            self.chain(length)?;
            self.advance();
            self.skip_newlines();
            left = Expr::Arith(arith, Box::new(left), Box::new(self.unary(context)?));
        }
    }

    /// An operand with its signs, as a `case` label may be.
    pub(super) fn unary_operand(&mut self) -> Parsed<Expr> {
        self.unary(Context::default())
    }

    fn unary(&mut self, context: Context) -> Parsed<Expr> {
        self.nested(|parser| match parser.token() {
            Token::Op("!") => {
                parser.advance();
                Ok(Expr::Not(Box::new(parser.unary(context)?)))
            }
            Token::Op("-") => {
                parser.advance();
                Ok(Expr::Negate(Box::new(parser.unary(context)?)))
            }
            Token::Op("+") => {
                parser.advance();
                Ok(Expr::Plus(Box::new(parser.unary(context)?)))
            }
            _ => parser.power(context),
        })
    }

    fn power(&mut self, context: Context) -> Parsed<Expr> {
        let base = self.step(context)?;
        if !self.take_op("^") {
            return Ok(base);
        }
        self.skip_newlines();
        // The exponent may carry a sign and groups to the right.
        let exponent = self.unary(context)?;
        Ok(Expr::Arith(Arith::Pow, Box::new(base), Box::new(exponent)))
    }

    fn step(&mut self, context: Context) -> Parsed<Expr> {
        if self.is_op("++") || self.is_op("--") {
            let step = if self.advance() == Token::Op("++") { 1.0 } else { -1.0 };
            let target = self.nested(|parser| parser.step(context))?;
            return match is_target(&target) {
                true => Ok(Expr::Step(Box::new(target), step, false)),
                false => Err(self.unexpected()),
            };
        }
        let operand = self.primary(context)?;
        if is_target(&operand) && (self.is_op("++") || self.is_op("--")) {
            let step = if self.advance() == Token::Op("++") { 1.0 } else { -1.0 };
            return Ok(Expr::Step(Box::new(operand), step, true));
        }
        Ok(operand)
    }

    fn primary(&mut self, context: Context) -> Parsed<Expr> {
        match self.token().clone() {
            Token::Number(value) => {
                self.advance();
                Ok(Expr::Number(value))
            }
            Token::Text(text) => {
                self.advance();
                Ok(Expr::Text(Rc::new(text)))
            }
            Token::Regex(text) => {
                let regex = regexes::compile(&text, false).map_err(|message| (self.line(), message))?;
                self.advance();
                Ok(Expr::Regex(Rc::new(regex)))
            }
            Token::Op("$") => {
                self.advance();
                let operand = self.nested(|parser| match parser.token() {
                    Token::Op("-" | "+" | "!") => parser.unary(context),
                    Token::Op("++" | "--") => parser.step(context),
                    _ => parser.primary(context),
                })?;
                Ok(Expr::Field(Box::new(operand)))
            }
            Token::Op("(") => self.group(),
            Token::Keyword("getline") => self.getline(),
            Token::Builtin(name) => self.builtin(&name),
            Token::Call(name) => self.call(&name),
            Token::Name(name) => self.variable(&name),
            _ => Err(self.unexpected()),
        }
    }

    fn group(&mut self) -> Parsed<Expr> {
        self.advance();
        let mut items = self.list(")")?;
        match items.len() {
            0 => Err(self.unexpected()),
            1 => Ok(items.remove(0)),
            _ => Ok(Expr::Group(items)),
        }
    }

    fn variable(&mut self, name: &str) -> Parsed<Expr> {
        self.advance();
        if self.take_op("[") {
            let array = self.name(name, Use::Array)?;
            let subscripts = self.list("]")?;
            if subscripts.is_empty() {
                return Err(self.unexpected());
            }
            return Ok(Expr::Element(array, subscripts));
        }
        Ok(Expr::Var(self.name(name, Use::Scalar)?))
    }

    fn call(&mut self, name: &str) -> Parsed<Expr> {
        let function = self.function(name)?;
        self.advance();
        self.advance();
        let mut args = Vec::new();
        self.skip_newlines();
        while !self.take_op(")") {
            args.push(self.argument(function, args.len())?);
            self.skip_newlines();
            if !self.is_op(")") {
                self.expect(",")?;
                self.skip_newlines();
            }
        }
        self.note_call(function, args.len());
        Ok(Expr::Call(function, args))
    }

    /// An argument; a name by itself may be an array.
    fn argument(&mut self, function: usize, position: usize) -> Parsed<Expr> {
        if let Token::Name(name) = self.token().clone()
            && matches!(self.peek(1), Token::Op("," | ")"))
        {
            self.advance();
            return Ok(Expr::Var(self.pass(&name, function, position)?));
        }
        self.expr(Context::default())
    }

    fn builtin(&mut self, name: &str) -> Parsed<Expr> {
        let Some((builtin, least, most)) = Builtin::find(name) else {
            return Err(self.unexpected());
        };
        self.advance();
        if !self.is_op("(") {
            return if builtin == Builtin::Length {
                Ok(Expr::Builtin(builtin, Vec::new()))
            } else {
                Err(self.unexpected())
            };
        }
        self.advance();
        let mut args = Vec::new();
        self.skip_newlines();
        while !self.take_op(")") {
            args.push(self.builtin_argument(builtin, args.len())?);
            self.skip_newlines();
            if !self.is_op(")") {
                self.expect(",")?;
                self.skip_newlines();
            }
        }
        if args.len() < least || args.len() > most {
            return self.error(format!("{} is invalid as number of arguments for {name}", args.len()));
        }
        Ok(Expr::Builtin(builtin, args))
    }

    fn builtin_argument(&mut self, builtin: Builtin, position: usize) -> Parsed<Expr> {
        let alone = matches!(self.peek(1), Token::Op("," | ")")) || matches!(self.peek(1), Token::Newline);
        if let (Token::Name(name), true) = (self.token().clone(), alone) {
            let usage = if builtin.arrays().contains(&position) {
                Use::Array
            } else if matches!(builtin, Builtin::Length | Builtin::IsArray | Builtin::Typeof) {
                Use::Any
            } else {
                Use::Scalar
            };
            self.advance();
            return Ok(Expr::Var(self.name(&name, usage)?));
        }
        if builtin.arrays().contains(&position) {
            return self.error("an array is needed here");
        }
        self.expr(Context::default())
    }

    /// `getline`, `getline < file`, with or without a variable.
    fn getline(&mut self) -> Parsed<Expr> {
        self.advance();
        let target = self.getline_target()?;
        if !self.take_op("<") {
            return Ok(Expr::Getline(Source::Main, target));
        }
        let file = self.nested(|parser| parser.step(Context::default()))?;
        Ok(Expr::Getline(Source::File(Box::new(file)), target))
    }

    fn getline_target(&mut self) -> Parsed<Option<Box<Expr>>> {
        match self.token() {
            Token::Name(_) | Token::Op("$") => {
                let target = self.primary(Context::default())?;
                Ok(Some(Box::new(target)))
            }
            _ => Ok(None),
        }
    }
}

fn is_target(expr: &Expr) -> bool {
    matches!(expr, Expr::Var(_) | Expr::Field(_) | Expr::Element(..))
}

type Wrap = Box<dyn FnOnce(Expr) -> Expr>;

/// The target of an assignment inside `expr`, and what goes around the assignment.
fn split_target(expr: Expr) -> (Expr, Option<Wrap>) {
    macro_rules! inside {
        ($right:expr, $build:expr) => {{
            let (target, wrap) = split_target(*$right);
            let build = $build;
            (
                target,
                wrap.map(|wrap| Box::new(move |value| build(Box::new(wrap(value)))) as Wrap),
            )
        }};
    }
    match expr {
        target if is_target(&target) => (target, Some(Box::new(|value| value))),
        Expr::Or(left, right) => inside!(right, move |right| Expr::Or(left, right)),
        Expr::And(left, right) => inside!(right, move |right| Expr::And(left, right)),
        Expr::Compare(op, left, right) => inside!(right, move |right| Expr::Compare(op, left, right)),
        Expr::Match(left, right, negated) => inside!(right, move |right| Expr::Match(left, right, negated)),
        Expr::Arith(op, left, right) => inside!(right, move |right| Expr::Arith(op, left, right)),
        Expr::Not(inner) => inside!(inner, Expr::Not),
        Expr::Negate(inner) => inside!(inner, Expr::Negate),
        other => (other, None),
    }
}
