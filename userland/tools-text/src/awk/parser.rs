//! From tokens to a program: recursive descent, one function per level of precedence.

use super::ast::{Expr, Function, Name, Pattern, Program, Redirect, Rule, Stmt, special};
use super::lexer::{Located, Token};
use super::resolve::{Kinds, Use};
use std::collections::HashMap;

/// A syntax error: line and message.
pub type Failure = (usize, String);

type Parsed<T> = Result<T, Failure>;

/// Deepest nesting of expressions and statements.
const NEST_LIMIT: usize = 120;
/// Most operators in a row that nest without brackets.
const CHAIN_LIMIT: usize = 400;

/// What an expression may not hold where it stands.
#[derive(Clone, Copy, Default)]
pub(super) struct Context {
    /// `>` redirects.
    pub no_greater: bool,
    /// `in` belongs to `for`.
    pub no_in: bool,
}

/// Parses a program; `defined` are names of globals that must exist (from `-v`).
///
/// # Errors
///
/// The first thing that is wrong.
pub fn parse(tokens: Vec<Located>) -> Parsed<Program> {
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
        locals: HashMap::new(),
        globals: special::NAMES
            .iter()
            .enumerate()
            .map(|(slot, name)| ((*name).to_owned(), slot))
            .collect(),
        functions: HashMap::new(),
        kinds: Kinds::default(),
        current: None,
        loops: 0,
        called: Vec::new(),
    };
    parser.collect_functions()?;
    parser.program()
}

pub(super) struct Parser {
    tokens: Vec<Located>,
    at: usize,
    pub(super) depth: usize,
    locals: HashMap<String, usize>,
    globals: HashMap<String, usize>,
    /// Number and count of parameters.
    functions: HashMap<String, (usize, usize)>,
    kinds: Kinds,
    current: Option<usize>,
    loops: usize,
    /// Calls by function number, for the check against the definition.
    called: Vec<(usize, usize, usize)>,
}

impl Parser {
    // Tokens.

    pub(super) fn token(&self) -> &Token {
        &self.tokens[self.at].0
    }

    pub(super) fn line(&self) -> usize {
        self.tokens[self.at].1
    }

    pub(super) fn peek(&self, ahead: usize) -> &Token {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)].0
    }

    pub(super) fn advance(&mut self) -> Token {
        let token = self.tokens[self.at].0.clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    pub(super) fn is_op(&self, op: &str) -> bool {
        matches!(self.token(), Token::Op(found) if *found == op)
    }

    pub(super) fn is_keyword(&self, word: &str) -> bool {
        matches!(self.token(), Token::Keyword(found) if *found == word)
    }

    pub(super) fn take_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        if found {
            self.advance();
        }
        found
    }

    fn take_keyword(&mut self, word: &str) -> bool {
        let found = self.is_keyword(word);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn expect(&mut self, op: &'static str) -> Parsed<()> {
        if self.take_op(op) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    pub(super) fn error<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err((self.line(), message.into()))
    }

    pub(super) fn unexpected(&self) -> Failure {
        let shown = match self.token() {
            Token::Newline | Token::End => "unexpected newline or end of string".to_owned(),
            Token::Op(op) => format!("at or near {op}"),
            Token::Keyword(word) => format!("at or near {word}"),
            Token::Name(name) | Token::Call(name) | Token::Builtin(name) => format!("at or near {name}"),
            Token::Number(_) => "at or near a number".to_owned(),
            Token::Text(_) => "at or near a string".to_owned(),
            Token::Regex(_) => "at or near a regular expression".to_owned(),
        };
        (self.line(), format!("syntax error: {shown}"))
    }

    pub(super) fn skip_newlines(&mut self) {
        while matches!(self.token(), Token::Newline) {
            self.advance();
        }
    }

    fn skip_terminators(&mut self) {
        while matches!(self.token(), Token::Newline) || self.is_op(";") {
            self.advance();
        }
    }

    /// One level deeper, with a limit.
    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= NEST_LIMIT {
            return self.error("program nests too deeply");
        }
        self.depth += 1;
        let out = parse(self);
        self.depth -= 1;
        out
    }

    pub(super) fn chain(&self, length: usize) -> Parsed<()> {
        if length > CHAIN_LIMIT {
            self.error("expression is too long")
        } else {
            Ok(())
        }
    }

    // Names.

    pub(super) fn name(&mut self, name: &str, usage: Use) -> Parsed<Name> {
        if self.functions.contains_key(name) {
            return self.error(format!("function `{name}' used as a variable"));
        }
        let found = match self.locals.get(name) {
            Some(&slot) => Name::Local(slot),
            None => {
                let next = self.globals.len();
                Name::Global(*self.globals.entry(name.to_owned()).or_insert(next))
            }
        };
        self.kinds.note(self.current, found, usage);
        Ok(found)
    }

    /// Notes that `name` is passed to a function.
    pub(super) fn pass(&mut self, name: &str, function: usize, position: usize) -> Parsed<Name> {
        let found = self.name(name, Use::Any)?;
        self.kinds.link(self.current, found, function, position);
        Ok(found)
    }

    pub(super) fn function(&mut self, name: &str) -> Parsed<usize> {
        match self.functions.get(name) {
            Some(&(number, _)) => Ok(number),
            None => self.error(format!("function `{name}' not defined")),
        }
    }

    pub(super) fn note_call(&mut self, function: usize, count: usize) {
        self.called.push((function, count, self.line()));
    }

    // The program.

    /// Finds the names of all functions, which may be called before they are defined.
    fn collect_functions(&mut self) -> Parsed<()> {
        for index in 0..self.tokens.len() - 1 {
            if self.tokens[index].0 != Token::Keyword("function") {
                continue;
            }
            if let Token::Name(name) | Token::Call(name) = &self.tokens[index + 1].0 {
                let number = self.functions.len();
                if self.functions.insert(name.clone(), (number, 0)).is_some() {
                    return Err((
                        self.tokens[index].1,
                        format!("function name `{name}' previously defined"),
                    ));
                }
            }
        }
        Ok(())
    }

    fn program(mut self) -> Parsed<Program> {
        let mut out = Program {
            begin: vec![],
            rules: vec![],
            end: vec![],
            functions: vec![],
            globals: vec![],
        };
        self.skip_terminators();
        while *self.token() != Token::End {
            self.item(&mut out)?;
            self.skip_terminators();
        }
        for &(function, count, line) in &self.called {
            if count > out.functions[function].params.len() {
                let name = &out.functions[function].name;
                return Err((
                    line,
                    format!("function `{name}' called with more arguments than declared"),
                ));
            }
        }
        let conflict = self.kinds.resolve();
        let mut names: Vec<(String, usize)> = self.globals.into_iter().collect();
        names.sort_by_key(|(_, slot)| *slot);
        if let Some((function, name)) = conflict {
            let shown = match name {
                Name::Global(slot) => names[slot].0.clone(),
                Name::Local(slot) => format!(
                    "parameter {} of {}",
                    slot + 1,
                    out.functions[function.unwrap_or(0)].name
                ),
            };
            return Err((0, format!("fatal: attempt to use array `{shown}' in a scalar context")));
        }
        for (number, function) in out.functions.iter_mut().enumerate() {
            for (slot, is_array) in function.params.iter_mut().enumerate() {
                *is_array = self.kinds.is_array(Some(number), Name::Local(slot));
            }
        }
        let array = |slot: usize| matches!(slot, special::ARGV | special::ENVIRON | special::PROCINFO);
        out.globals = names
            .into_iter()
            .map(|(name, slot)| (name, array(slot) || self.kinds.is_array(None, Name::Global(slot))))
            .collect();
        Ok(out)
    }

    fn item(&mut self, out: &mut Program) -> Parsed<()> {
        if self.take_keyword("function") {
            let function = self.definition()?;
            out.functions.push(function);
            return Ok(());
        }
        if self.is_keyword("BEGIN") || self.is_keyword("END") {
            let begin = self.take_keyword("BEGIN") || !self.take_keyword("END");
            if !self.is_op("{") {
                let word = if begin { "BEGIN" } else { "END" };
                return self.error(format!("{word} blocks must have an action part"));
            }
            let body = self.block()?;
            if begin {
                out.begin.push(body)
            } else {
                out.end.push(body)
            }
            return Ok(());
        }
        let pattern = self.pattern()?;
        let body = if self.is_op("{") { Some(self.block()?) } else { None };
        out.rules.push(Rule { pattern, body });
        Ok(())
    }

    fn pattern(&mut self) -> Parsed<Pattern> {
        if self.is_op("{") {
            return Ok(Pattern::Always);
        }
        let first = self.expr(Context::default())?;
        if !self.take_op(",") {
            return Ok(Pattern::When(first));
        }
        self.skip_newlines();
        Ok(Pattern::Range(first, self.expr(Context::default())?))
    }

    fn definition(&mut self) -> Parsed<Function> {
        let (Token::Name(name) | Token::Call(name)) = self.advance() else {
            return Err(self.unexpected());
        };
        self.expect("(")?;
        let mut params: Vec<String> = Vec::new();
        self.skip_newlines();
        while !self.take_op(")") {
            let Token::Name(param) = self.advance() else {
                return Err(self.unexpected());
            };
            if params.contains(&param) || param == name {
                return self.error(format!("function `{name}': parameter `{param}' duplicates a name"));
            }
            params.push(param);
            self.skip_newlines();
            if !self.is_op(")") {
                self.expect(",")?;
                self.skip_newlines();
            }
        }
        self.skip_newlines();
        let number = self.functions[&name].0;
        self.functions.insert(name.clone(), (number, params.len()));
        self.locals = params
            .iter()
            .enumerate()
            .map(|(slot, name)| (name.clone(), slot))
            .collect();
        self.current = Some(number);
        let body = self.block();
        self.locals.clear();
        self.current = None;
        let body = body?;
        let height = super::height::of(&body);
        Ok(Function {
            name,
            params: vec![false; params.len()],
            body,
            height,
        })
    }

    // Statements.

    fn block(&mut self) -> Parsed<Stmt> {
        self.expect("{")?;
        let mut body = Vec::new();
        self.skip_terminators();
        while !self.take_op("}") {
            if *self.token() == Token::End {
                return Err(self.unexpected());
            }
            body.push(self.statement()?);
            self.skip_terminators();
        }
        Ok(Stmt::Block(body))
    }

    pub(super) fn statement(&mut self) -> Parsed<Stmt> {
        self.nested(Self::statement_here)
    }

    fn statement_here(&mut self) -> Parsed<Stmt> {
        if self.is_op("{") {
            return self.block();
        }
        if self.take_op(";") {
            return Ok(Stmt::Block(Vec::new()));
        }
        let Token::Keyword(word) = *self.token() else {
            return self.terminated(Self::simple);
        };
        match word {
            "if" => self.if_statement(),
            "while" => self.while_statement(),
            "do" => self.do_statement(),
            "for" => self.for_statement(),
            "switch" => self.switch_statement(),
            _ => self.terminated(Self::simple),
        }
    }

    /// A simple statement and what ends it.
    fn terminated(&mut self, parse: fn(&mut Self) -> Parsed<Stmt>) -> Parsed<Stmt> {
        let out = parse(self)?;
        if matches!(self.token(), Token::Newline) || self.is_op(";") {
            self.advance();
        } else if !self.is_op("}") && *self.token() != Token::End {
            return Err(self.unexpected());
        }
        Ok(out)
    }

    fn condition(&mut self) -> Parsed<Expr> {
        self.expect("(")?;
        let out = self.expr(Context::default())?;
        self.skip_newlines();
        self.expect(")")?;
        Ok(out)
    }

    /// The body of `if`, `while` and kin.
    fn body(&mut self) -> Parsed<Box<Stmt>> {
        self.skip_newlines();
        Ok(Box::new(self.statement()?))
    }

    fn loop_body(&mut self) -> Parsed<Box<Stmt>> {
        self.loops += 1;
        let out = self.body();
        self.loops -= 1;
        out
    }

    fn if_statement(&mut self) -> Parsed<Stmt> {
        self.advance();
        let condition = self.condition()?;
        let then = self.body()?;
        let before = self.at;
        self.skip_terminators();
        if self.take_keyword("else") {
            return Ok(Stmt::If(condition, then, Some(self.body()?)));
        }
        self.at = before;
        Ok(Stmt::If(condition, then, None))
    }

    fn while_statement(&mut self) -> Parsed<Stmt> {
        self.advance();
        let condition = self.condition()?;
        if self.take_op(";") {
            return Ok(Stmt::While(condition, Box::new(Stmt::Block(Vec::new()))));
        }
        Ok(Stmt::While(condition, self.loop_body()?))
    }

    fn do_statement(&mut self) -> Parsed<Stmt> {
        self.advance();
        let body = self.loop_body()?;
        self.skip_terminators();
        if !self.take_keyword("while") {
            return Err(self.unexpected());
        }
        Ok(Stmt::DoWhile(body, self.condition()?))
    }

    fn for_statement(&mut self) -> Parsed<Stmt> {
        self.advance();
        self.expect("(")?;
        if let (Token::Name(key), Token::Keyword("in"), Token::Name(array)) = (self.peek(0), self.peek(1), self.peek(2))
            && *self.peek(3) == Token::Op(")")
        {
            let (key, array) = (key.clone(), array.clone());
            self.at += 4;
            let key = self.name(&key, Use::Scalar)?;
            let array = self.name(&array, Use::Array)?;
            return Ok(Stmt::ForIn(key, array, self.loop_body()?));
        }
        let start = if self.is_op(";") {
            None
        } else {
            Some(Box::new(self.simple()?))
        };
        self.expect(";")?;
        self.skip_newlines();
        let condition = if self.is_op(";") {
            None
        } else {
            Some(self.expr(Context::default())?)
        };
        self.expect(";")?;
        self.skip_newlines();
        let step = if self.is_op(")") {
            None
        } else {
            Some(Box::new(self.simple()?))
        };
        self.expect(")")?;
        if self.take_op(";") {
            return Ok(Stmt::For(start, condition, step, Box::new(Stmt::Block(Vec::new()))));
        }
        Ok(Stmt::For(start, condition, step, self.loop_body()?))
    }

    fn switch_statement(&mut self) -> Parsed<Stmt> {
        self.advance();
        let subject = self.condition()?;
        self.skip_newlines();
        self.expect("{")?;
        self.skip_terminators();
        let mut cases = Vec::new();
        self.loops += 1;
        while !self.take_op("}") {
            let label = if self.take_keyword("default") {
                None
            } else if self.take_keyword("case") {
                Some(self.unary_operand()?)
            } else {
                return Err(self.unexpected());
            };
            self.expect(":")?;
            self.skip_terminators();
            let mut body = Vec::new();
            while !self.is_op("}") && !self.is_keyword("case") && !self.is_keyword("default") {
                if *self.token() == Token::End {
                    return Err(self.unexpected());
                }
                body.push(self.statement()?);
                self.skip_terminators();
            }
            cases.push((label, body));
        }
        self.loops -= 1;
        Ok(Stmt::Switch(subject, cases))
    }

    fn simple(&mut self) -> Parsed<Stmt> {
        let Token::Keyword(word) = *self.token() else {
            return Ok(Stmt::Expr(self.expr(Context::default())?));
        };
        match word {
            "print" | "printf" => self.print(),
            "delete" => self.delete(),
            "next" | "nextfile" => {
                self.advance();
                Ok(if word == "next" { Stmt::Next } else { Stmt::NextFile })
            }
            "break" | "continue" => {
                if self.loops == 0 {
                    return self.error(format!("`{word}' is not allowed outside a loop"));
                }
                self.advance();
                Ok(if word == "break" { Stmt::Break } else { Stmt::Continue })
            }
            "exit" => {
                self.advance();
                Ok(Stmt::Exit(self.optional_expr()?))
            }
            "return" => {
                if self.current.is_none() {
                    return self.error("`return' used outside function context");
                }
                self.advance();
                Ok(Stmt::Return(self.optional_expr()?))
            }
            "getline" => Ok(Stmt::Expr(self.expr(Context::default())?)),
            _ => Err(self.unexpected()),
        }
    }

    fn at_end_of_statement(&self) -> bool {
        matches!(self.token(), Token::Newline | Token::End) || self.is_op(";") || self.is_op("}")
    }

    fn optional_expr(&mut self) -> Parsed<Option<Expr>> {
        if self.at_end_of_statement() {
            Ok(None)
        } else {
            self.expr(Context::default()).map(Some)
        }
    }

    fn delete(&mut self) -> Parsed<Stmt> {
        self.advance();
        let bracketed = self.take_op("(");
        let Token::Name(name) = self.advance() else {
            return Err(self.unexpected());
        };
        let name = self.name(&name, Use::Array)?;
        let out = if self.take_op("[") {
            let subscripts = self.list("]")?;
            Stmt::Delete(name, subscripts)
        } else {
            Stmt::DeleteAll(name)
        };
        if bracketed {
            self.expect(")")?;
        }
        Ok(out)
    }

    fn print(&mut self) -> Parsed<Stmt> {
        let formatted = self.advance() == Token::Keyword("printf");
        let context = Context {
            no_greater: true,
            no_in: false,
        };
        let mut items = Vec::new();
        if !self.at_end_of_statement() && !self.is_op(">") && !self.is_op(">>") && !self.is_op("|") {
            items.push(self.expr_or_group(context)?);
            while self.take_op(",") {
                self.skip_newlines();
                items.push(self.expr(context)?);
            }
        }
        if let [Expr::Group(_)] = items.as_slice()
            && let Some(Expr::Group(inner)) = items.pop()
        {
            items = inner;
        }
        if formatted && items.is_empty() {
            return self.error("syntax error: printf needs a format");
        }
        let kind = match self.token() {
            Token::Op(">") => Some(Redirect::Truncate),
            Token::Op(">>") => Some(Redirect::Append),
            Token::Op("|") => Some(Redirect::Pipe),
            Token::Op("|&") => return self.error("coprocesses are not supported"),
            _ => None,
        };
        let target = match kind {
            Some(kind) => {
                self.advance();
                let target = self.concatenation(context)?;
                Some((kind, target))
            }
            None => None,
        };
        Ok(if formatted {
            Stmt::Printf(items, target)
        } else {
            Stmt::Print(items, target)
        })
    }

    /// Expressions up to a closing bracket.
    pub(super) fn list(&mut self, close: &'static str) -> Parsed<Vec<Expr>> {
        let mut out = Vec::new();
        self.skip_newlines();
        if self.take_op(close) {
            return Ok(out);
        }
        loop {
            out.push(self.expr(Context::default())?);
            self.skip_newlines();
            if self.take_op(close) {
                return Ok(out);
            }
            self.expect(",")?;
            self.skip_newlines();
        }
    }
}
