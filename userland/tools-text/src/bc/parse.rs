//! From text to statements.

use std::rc::Rc;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Number(String),
    Text(String),
    Name(String),
    Word(&'static str),
    Op(&'static str),
    Newline,
    End,
}

const WORDS: &[&str] = &[
    "auto", "break", "continue", "define", "else", "for", "halt", "ibase", "if", "last", "length", "limits", "obase",
    "print", "quit", "read", "return", "scale", "sqrt", "void", "warranty", "while", "abs",
];

const OPERATORS: &[&str] = &[
    "&&", "||", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "==", "<=", ">=", "!=", "+", "-", "*", "/", "%", "^",
    "=", "<", ">", "!", "(", ")", "[", "]", "{", "}", ",", ";",
];

/// Tokens with their lines.
///
/// # Errors
///
/// Line and message of what is no token.
pub fn tokens(text: &str) -> Result<Vec<(Token, usize)>, (usize, String)> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let rest = &text[at..];
        match bytes[at] {
            b' ' | b'\t' | b'\r' => at += 1,
            b'\\' if bytes.get(at + 1) == Some(&b'\n') => {
                at += 2;
                line += 1;
            }
            b'\n' => {
                out.push((Token::Newline, line));
                at += 1;
                line += 1;
            }
            b'#' => at += rest.find('\n').unwrap_or(rest.len()),
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let end = rest.find("*/").ok_or((line, "comment without end".to_owned()))? + 2;
                line += rest[..end].matches('\n').count();
                at += end;
            }
            b'"' => {
                let end = rest[1..].find('"').ok_or((line, "string without end".to_owned()))?;
                line += rest[..end].matches('\n').count();
                out.push((Token::Text(rest[1..=end].to_owned()), line));
                at += end + 2;
            }
            b'0'..=b'9' | b'A'..=b'F' | b'.' => {
                let mut digits = String::new();
                let mut point = false;
                while let Some(&byte) = bytes.get(at) {
                    match byte {
                        b'0'..=b'9' | b'A'..=b'F' => digits.push(char::from(byte)),
                        b'.' if !point => {
                            point = true;
                            digits.push('.');
                        }
                        b'\\' if bytes.get(at + 1) == Some(&b'\n') => {
                            at += 1;
                            line += 1;
                        }
                        _ => break,
                    }
                    at += 1;
                }
                // A point alone is what was printed last.
                let token = if digits == "." {
                    Token::Word("last")
                } else {
                    Token::Number(digits)
                };
                out.push((token, line));
            }
            b'a'..=b'z' => {
                let length = rest
                    .bytes()
                    .take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_')
                    .count();
                let name = &rest[..length];
                out.push(match WORDS.iter().find(|word| **word == name) {
                    Some(word) => (Token::Word(word), line),
                    None => (Token::Name(name.to_owned()), line),
                });
                at += length;
            }
            _ => match OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
                Some(operator) => {
                    out.push((Token::Op(operator), line));
                    at += operator.len();
                }
                None => {
                    let shown = rest.chars().next().unwrap_or(' ');
                    return Err((line, format!("illegal character: {shown}")));
                }
            },
        }
    }
    out.push((Token::Newline, line));
    out.push((Token::End, line));
    Ok(out)
}

/// Something that can be assigned.
#[derive(Clone, Debug)]
pub enum Target {
    Name(String),
    Element(String, Box<Expr>),
    Scale,
    Ibase,
    Obase,
    Last,
}

/// An expression.
#[derive(Clone, Debug)]
pub enum Expr {
    Number(String),
    Read(Target),
    Assign(Target, Option<&'static str>, Box<Expr>),
    /// Step, and whether the value is the one before.
    Step(Target, bool, bool),
    Negate(Box<Expr>),
    Not(Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    Call(String, Vec<Argument>),
    Builtin(&'static str, Box<Expr>),
    LengthOf(String),
    ReadInput,
}

/// An argument of a call.
#[derive(Clone, Debug)]
pub enum Argument {
    Value(Expr),
    Array(String),
}

/// A statement.
#[derive(Clone, Debug)]
pub enum Stmt {
    /// Printed unless it is an assignment.
    Expr(Expr, bool),
    Text(String),
    Print(Vec<Printed>),
    Block(Vec<Stmt>),
    If(Expr, Box<Stmt>, Option<Box<Stmt>>),
    While(Expr, Box<Stmt>),
    For(Option<Expr>, Option<Expr>, Option<Expr>, Box<Stmt>),
    Define(Rc<Function>),
    Return(Option<Expr>),
    Break,
    Continue,
    Quit,
    Halt,
    Nothing,
}

/// An item of `print`.
#[derive(Clone, Debug)]
pub enum Printed {
    Text(String),
    Value(Expr),
}

/// A function. Parameters and automatic variables: name, and whether it is an array.
#[derive(Debug)]
pub struct Function {
    pub name: String,
    pub params: Vec<(String, bool)>,
    pub autos: Vec<(String, bool)>,
    pub body: Vec<Stmt>,
}

/// Deepest nesting.
const NEST_LIMIT: usize = 150;

/// Reads statements from tokens.
pub struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, (usize, String)>;

impl Parser {
    /// A parser over `tokens`.
    pub fn new(tokens: Vec<(Token, usize)>) -> Self {
        Self {
            tokens,
            at: 0,
            depth: 0,
        }
    }

    /// The statements of the next line; `None` at the end. After an error the parser stands behind the line.
    ///
    /// # Errors
    ///
    /// Line and message.
    pub fn next_line(&mut self) -> Option<Parsed<Vec<Stmt>>> {
        while *self.token() == Token::Newline {
            self.at += 1;
        }
        if *self.token() == Token::End {
            return None;
        }
        let mut out = Vec::new();
        loop {
            match self.token() {
                Token::Newline | Token::End => return Some(Ok(out)),
                Token::Op(";") => {
                    self.at += 1;
                    continue;
                }
                _ => match self.statement() {
                    Ok(statement) => out.push(statement),
                    Err(error) => {
                        while !matches!(self.token(), Token::Newline | Token::End) {
                            self.at += 1;
                        }
                        self.depth = 0;
                        return Some(Err(error));
                    }
                },
            }
            if !matches!(self.token(), Token::Newline | Token::End | Token::Op(";")) {
                // Blocks and definitions need nothing behind them.
                if matches!(
                    out.last(),
                    Some(Stmt::Block(_) | Stmt::Define(_) | Stmt::If(..) | Stmt::While(..) | Stmt::For(..))
                ) {
                    continue;
                }
                let error = self.unexpected();
                while !matches!(self.token(), Token::Newline | Token::End) {
                    self.at += 1;
                }
                return Some(Err(error));
            }
        }
    }

    fn token(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)].0
    }

    fn advance(&mut self) -> Token {
        let token = self.token().clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn unexpected(&self) -> (usize, String) {
        (
            self.tokens[self.at.min(self.tokens.len() - 1)].1,
            "syntax error".to_owned(),
        )
    }

    fn take(&mut self, op: &str) -> bool {
        let found = matches!(self.token(), Token::Op(known) if *known == op);
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, op: &str) -> Parsed<()> {
        if self.take(op) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn skip_newlines(&mut self) {
        while *self.token() == Token::Newline {
            self.at += 1;
        }
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= NEST_LIMIT {
            return Err((
                self.tokens[self.at.min(self.tokens.len() - 1)].1,
                "program nests too deeply".to_owned(),
            ));
        }
        self.depth += 1;
        let out = parse(self);
        self.depth -= 1;
        out
    }

    fn statement(&mut self) -> Parsed<Stmt> {
        self.nested(Self::statement_here)
    }

    fn statement_here(&mut self) -> Parsed<Stmt> {
        match self.token().clone() {
            Token::Op("{") => self.block().map(Stmt::Block),
            Token::Text(text) => {
                self.at += 1;
                Ok(Stmt::Text(text))
            }
            Token::Word(word) => match word {
                "if" => self.if_statement(),
                "while" => {
                    self.at += 1;
                    self.expect("(")?;
                    let condition = self.expr()?;
                    self.expect(")")?;
                    Ok(Stmt::While(condition, self.body()?))
                }
                "for" => self.for_statement(),
                "define" => self.define(),
                "print" => self.print(),
                "return" => {
                    self.at += 1;
                    let ends = matches!(self.token(), Token::Newline | Token::End | Token::Op(";" | "}"));
                    Ok(Stmt::Return(if ends { None } else { Some(self.expr()?) }))
                }
                "break" | "continue" | "quit" | "halt" | "limits" | "warranty" => {
                    self.at += 1;
                    Ok(match word {
                        "break" => Stmt::Break,
                        "continue" => Stmt::Continue,
                        "quit" => Stmt::Quit,
                        "halt" => Stmt::Halt,
                        _ => Stmt::Nothing,
                    })
                }
                _ => self.expression_statement(),
            },
            _ => self.expression_statement(),
        }
    }

    fn expression_statement(&mut self) -> Parsed<Stmt> {
        let expr = self.expr()?;
        let shown = !matches!(expr, Expr::Assign(..));
        Ok(Stmt::Expr(expr, shown))
    }

    fn block(&mut self) -> Parsed<Vec<Stmt>> {
        self.expect("{")?;
        let mut out = Vec::new();
        loop {
            while matches!(self.token(), Token::Newline | Token::Op(";")) {
                self.at += 1;
            }
            if self.take("}") {
                return Ok(out);
            }
            if *self.token() == Token::End {
                return Err(self.unexpected());
            }
            out.push(self.statement()?);
        }
    }

    fn body(&mut self) -> Parsed<Box<Stmt>> {
        self.skip_newlines();
        if self.take(";") {
            return Ok(Box::new(Stmt::Nothing));
        }
        self.statement().map(Box::new)
    }

    fn if_statement(&mut self) -> Parsed<Stmt> {
        self.at += 1;
        self.expect("(")?;
        let condition = self.expr()?;
        self.expect(")")?;
        let then = self.body()?;
        let before = self.at;
        while matches!(self.token(), Token::Newline | Token::Op(";")) && self.at < self.tokens.len() - 1 {
            self.at += 1;
        }
        if *self.token() == Token::Word("else") {
            self.at += 1;
            return Ok(Stmt::If(condition, then, Some(self.body()?)));
        }
        self.at = before;
        Ok(Stmt::If(condition, then, None))
    }

    fn for_statement(&mut self) -> Parsed<Stmt> {
        self.at += 1;
        self.expect("(")?;
        let part = |parser: &mut Self, close: &str| -> Parsed<Option<Expr>> {
            if parser.take(close) {
                return Ok(None);
            }
            let expr = parser.expr()?;
            parser.expect(close)?;
            Ok(Some(expr))
        };
        let start = part(self, ";")?;
        let condition = part(self, ";")?;
        let step = part(self, ")")?;
        Ok(Stmt::For(start, condition, step, self.body()?))
    }

    fn print(&mut self) -> Parsed<Stmt> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            items.push(match self.token().clone() {
                Token::Text(text) => {
                    self.at += 1;
                    Printed::Text(text)
                }
                _ => Printed::Value(self.expr()?),
            });
            if !self.take(",") {
                return Ok(Stmt::Print(items));
            }
        }
    }

    fn names(&mut self, close: &str) -> Parsed<Vec<(String, bool)>> {
        let mut out = Vec::new();
        loop {
            let by_reference = self.take("*");
            let Token::Name(name) = self.advance() else {
                return Err(self.unexpected());
            };
            let array = self.take("[");
            if array {
                self.expect("]")?;
            }
            out.push((name, array || by_reference));
            if !self.take(",") {
                if close == ")" {
                    self.expect(")")?;
                }
                return Ok(out);
            }
        }
    }

    fn define(&mut self) -> Parsed<Stmt> {
        self.at += 1;
        if *self.token() == Token::Word("void") {
            self.at += 1;
        }
        let Token::Name(name) = self.advance() else {
            return Err(self.unexpected());
        };
        self.expect("(")?;
        let params = if self.take(")") { Vec::new() } else { self.names(")")? };
        self.skip_newlines();
        self.expect("{")?;
        while matches!(self.token(), Token::Newline | Token::Op(";")) {
            self.at += 1;
        }
        let mut autos = Vec::new();
        if *self.token() == Token::Word("auto") {
            self.at += 1;
            autos = self.names("")?;
        }
        // The block goes on to its closing brace.
        self.at -= 1;
        self.tokens[self.at].0 = Token::Op("{");
        let body = self.block()?;
        Ok(Stmt::Define(Rc::new(Function {
            name,
            params,
            autos,
            body,
        })))
    }

    // Expressions: `||`, `&&`, `!`, comparison, assignment, sums, products, minus, power, steps.

    /// An expression.
    fn expr(&mut self) -> Parsed<Expr> {
        self.nested(Self::or)
    }

    fn or(&mut self) -> Parsed<Expr> {
        let mut left = self.and()?;
        while self.take("||") {
            left = Expr::Binary("||", Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expr> {
        let mut left = self.not()?;
        while self.take("&&") {
            left = Expr::Binary("&&", Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed<Expr> {
        if self.take("!") {
            return self.nested(Self::not).map(|inner| Expr::Not(Box::new(inner)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Parsed<Expr> {
        let mut left = self.assignment()?;
        while let Token::Op(op @ ("<" | "<=" | ">" | ">=" | "==" | "!=")) = *self.token() {
            self.at += 1;
            left = Expr::Binary(op, Box::new(left), Box::new(self.assignment()?));
        }
        Ok(left)
    }

    fn assignment(&mut self) -> Parsed<Expr> {
        let left = self.sum()?;
        let Token::Op(op) = *self.token() else { return Ok(left) };
        let arithmetic = match op {
            "=" => None,
            "+=" => Some("+"),
            "-=" => Some("-"),
            "*=" => Some("*"),
            "/=" => Some("/"),
            "%=" => Some("%"),
            "^=" => Some("^"),
            _ => return Ok(left),
        };
        let Expr::Read(target) = left else {
            return Err(self.unexpected());
        };
        self.at += 1;
        let value = self.nested(Self::assignment)?;
        Ok(Expr::Assign(target, arithmetic, Box::new(value)))
    }

    fn sum(&mut self) -> Parsed<Expr> {
        let mut left = self.product()?;
        while let Token::Op(op @ ("+" | "-")) = *self.token() {
            self.at += 1;
            left = Expr::Binary(op, Box::new(left), Box::new(self.product()?));
        }
        Ok(left)
    }

    fn product(&mut self) -> Parsed<Expr> {
        let mut left = self.power()?;
        while let Token::Op(op @ ("*" | "/" | "%")) = *self.token() {
            self.at += 1;
            left = Expr::Binary(op, Box::new(left), Box::new(self.power()?));
        }
        Ok(left)
    }

    fn power(&mut self) -> Parsed<Expr> {
        let base = self.unary()?;
        if self.take("^") {
            let exponent = self.nested(Self::power)?;
            return Ok(Expr::Binary("^", Box::new(base), Box::new(exponent)));
        }
        Ok(base)
    }

    /// The minus binds tighter than the power.
    fn unary(&mut self) -> Parsed<Expr> {
        if self.take("-") {
            return self.nested(Self::unary).map(|inner| Expr::Negate(Box::new(inner)));
        }
        self.step()
    }

    fn step(&mut self) -> Parsed<Expr> {
        for (op, up) in [("++", true), ("--", false)] {
            if self.take(op) {
                let Expr::Read(target) = self.primary()? else {
                    return Err(self.unexpected());
                };
                return Ok(Expr::Step(target, up, false));
            }
        }
        let operand = self.primary()?;
        if let Expr::Read(target) = &operand {
            for (op, up) in [("++", true), ("--", false)] {
                if self.take(op) {
                    return Ok(Expr::Step(target.clone(), up, true));
                }
            }
        }
        Ok(operand)
    }

    fn primary(&mut self) -> Parsed<Expr> {
        match self.advance() {
            Token::Number(digits) => Ok(Expr::Number(digits)),
            Token::Op("(") => {
                let inner = self.expr()?;
                self.expect(")")?;
                // In brackets an assignment is a value, and printed.
                Ok(match inner {
                    Expr::Assign(..) => Expr::Binary("+", Box::new(inner), Box::new(Expr::Number("0".to_owned()))),
                    Expr::Read(target) => Expr::Binary(
                        "+",
                        Box::new(Expr::Read(target)),
                        Box::new(Expr::Number("0".to_owned())),
                    ),
                    inner => inner,
                })
            }
            Token::Word("ibase") => Ok(Expr::Read(Target::Ibase)),
            Token::Word("obase") => Ok(Expr::Read(Target::Obase)),
            Token::Word("last") => Ok(Expr::Read(Target::Last)),
            Token::Word("scale") => {
                if self.take("(") {
                    let inner = self.expr()?;
                    self.expect(")")?;
                    return Ok(Expr::Builtin("scale", Box::new(inner)));
                }
                Ok(Expr::Read(Target::Scale))
            }
            Token::Word(word @ ("length" | "sqrt" | "abs")) => {
                self.expect("(")?;
                if let (Token::Name(name), Some((Token::Op("["), _)), Some((Token::Op("]"), _))) = (
                    self.token().clone(),
                    self.tokens.get(self.at + 1),
                    self.tokens.get(self.at + 2),
                ) {
                    self.at += 3;
                    self.expect(")")?;
                    return Ok(Expr::LengthOf(name));
                }
                let inner = self.expr()?;
                self.expect(")")?;
                Ok(Expr::Builtin(word, Box::new(inner)))
            }
            Token::Word("read") => {
                self.expect("(")?;
                self.expect(")")?;
                Ok(Expr::ReadInput)
            }
            Token::Name(name) => {
                if self.take("(") {
                    return self.call(name);
                }
                if self.take("[") {
                    let index = self.expr()?;
                    self.expect("]")?;
                    return Ok(Expr::Read(Target::Element(name, Box::new(index))));
                }
                Ok(Expr::Read(Target::Name(name)))
            }
            _ => {
                self.at = self.at.saturating_sub(1);
                Err(self.unexpected())
            }
        }
    }

    fn call(&mut self, name: String) -> Parsed<Expr> {
        let mut args = Vec::new();
        if self.take(")") {
            return Ok(Expr::Call(name, args));
        }
        loop {
            let array = matches!(
                (
                    self.token(),
                    self.tokens.get(self.at + 1).map(|token| &token.0),
                    self.tokens.get(self.at + 2).map(|token| &token.0)
                ),
                (Token::Name(_), Some(Token::Op("[")), Some(Token::Op("]")))
            );
            if let (true, Token::Name(array)) = (array, self.token().clone()) {
                self.at += 3;
                args.push(Argument::Array(array));
            } else {
                args.push(Argument::Value(self.expr()?));
            }
            if !self.take(",") {
                self.expect(")")?;
                return Ok(Expr::Call(name, args));
            }
        }
    }
}
