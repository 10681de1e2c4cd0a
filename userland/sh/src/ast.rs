//! The syntax tree.
//!
//! A word is taken apart when it is parsed, once, and never again when it runs. Everything that outlives one command
//! (function bodies, here-documents) is reference-counted. Each word keeps the text it was written as, which is what
//! `declare -f`, `jobs` and error messages show.

use std::cell::OnceCell;
use std::rc::Rc;

use crate::arith::Expr;

/// Commands in sequence.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// The commands.
    pub items: Vec<Item>,
}

/// One command of a list.
#[derive(Debug, Clone)]
pub struct Item {
    /// The command.
    pub and_or: AndOr,
    /// Ended by `&`.
    pub background: bool,
    /// Text as written, for job listings.
    pub text: Rc<str>,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Debug, Clone)]
pub struct AndOr {
    /// The first one.
    pub first: Pipeline,
    /// The others; `true` is `&&`.
    pub rest: Vec<(bool, Pipeline)>,
}

/// How `time` was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timed {
    /// `time`
    Bash,
    /// `time -p`
    Posix,
}

/// Commands joined by pipes.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// The stages.
    pub stages: Vec<Command>,
    /// Begun by an odd number of `!`.
    pub negated: bool,
    /// Begun by `time`.
    pub timed: Option<Timed>,
}

/// One command.
#[derive(Debug, Clone)]
pub enum Command {
    /// Words, assignments, redirections.
    Simple(Simple),
    /// A compound command with its redirections.
    Compound(Rc<Compound>, Vec<Redir>, u32),
    /// A function definition.
    Function(Rc<Function>),
    /// `coproc NAME command`
    Coproc(String, Box<Command>),
}

/// A simple command.
#[derive(Debug, Clone, Default)]
pub struct Simple {
    /// Assignments before the first word.
    pub assigns: Vec<Assign>,
    /// Name and arguments.
    pub words: Vec<Word>,
    /// Redirections in the order written.
    pub redirs: Vec<Redir>,
    /// Line of the first word.
    pub line: u32,
}

/// An assignment.
#[derive(Debug, Clone)]
pub struct Assign {
    /// The variable.
    pub name: String,
    /// `name[subscript]`
    pub index: Option<Word>,
    /// `+=`
    pub append: bool,
    /// What is assigned.
    pub value: AssignValue,
}

/// The right side of an assignment.
#[derive(Debug, Clone)]
pub enum AssignValue {
    /// A word.
    Word(Word),
    /// `( ... )`: optional subscripts and values.
    Array(Vec<Element>),
}

/// An element of an array assignment.
#[derive(Debug, Clone)]
pub struct Element {
    /// `[subscript]=`
    pub index: Option<Word>,
    /// `[subscript]+=`
    pub append: bool,
    /// The value.
    pub value: Word,
}

/// A function.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it runs.
    pub body: Rc<Compound>,
    /// Redirections of every call.
    pub redirs: Vec<Redir>,
    /// Line of its definition.
    pub line: u32,
    /// File of its definition.
    pub source: Rc<str>,
}

/// Compound commands.
#[derive(Debug)]
pub enum Compound {
    /// `( )`
    Subshell(List),
    /// `{ }`
    Group(List),
    /// Conditions with their branches, then `else`.
    If(Vec<(List, List)>, Option<List>),
    /// `while` (`true`) or `until`, condition, body.
    While(bool, List, List),
    /// `for name in words`; no words is `"$@"`.
    For(String, Option<Vec<Word>>, List),
    /// `for (( init; test; step ))`
    ArithFor(Box<[Arith; 3]>, List),
    /// `select name in words`
    Select(String, Option<Vec<Word>>, List),
    /// `case word in`
    Case(Word, Vec<CaseItem>),
    /// `(( ))`
    Arith(Arith),
    /// `[[ ]]`
    Cond(Cond),
}

/// What follows a branch of `case`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseEnd {
    /// `;;`
    Break,
    /// `;&`
    Fall,
    /// `;;&`
    Test,
}

/// A branch of `case`.
#[derive(Debug)]
pub struct CaseItem {
    /// Its patterns.
    pub patterns: Vec<Word>,
    /// Its commands.
    pub body: List,
    /// What ends it.
    pub end: CaseEnd,
}

/// The expression of `[[ ]]`.
#[derive(Debug)]
pub enum Cond {
    /// `-f word`
    Unary(String, Word),
    /// `word op word`
    Binary(Word, String, Word),
    /// `word`
    Word(Word),
    /// `!`
    Not(Box<Cond>),
    /// `&&`
    And(Box<Cond>, Box<Cond>),
    /// `||`
    Or(Box<Cond>, Box<Cond>),
    /// `( )`, kept for printing.
    Paren(Box<Cond>),
}

/// An arithmetic text: parsed once when nothing in it needs expanding.
#[derive(Debug, Clone)]
pub struct Arith {
    /// The text, as a word in double quotes.
    pub word: Word,
    /// Its parsed form; `None` once parsing it ahead failed.
    pub parsed: Rc<OnceCell<Option<Expr>>>,
}

/// A redirection.
#[derive(Debug, Clone)]
pub struct Redir {
    /// The descriptor redirected.
    pub fd: RedirFd,
    /// What it becomes.
    pub kind: RedirKind,
}

/// Which descriptor a redirection is of.
#[derive(Debug, Clone)]
pub enum RedirFd {
    /// A number, written or implied.
    Number(u32),
    /// `{name}`: a free one, its number goes to the variable.
    Named(String),
    /// `&>`: standard output and error.
    Both,
}

/// What a redirection does.
#[derive(Debug, Clone)]
pub enum RedirKind {
    /// `<`
    Read(Word),
    /// `>`, and `>|` with `true`.
    Write(Word, bool),
    /// `>>`
    Append(Word),
    /// `<>`
    ReadWrite(Word),
    /// `<&` (`true`) and `>&`: a duplicate, a move, or `-`.
    Dup(Word, bool),
    /// `<<`
    HereDoc(Rc<HereDoc>),
    /// `<<<`
    HereString(Word),
}

/// A here-document. The body is filled in when the parser reaches it.
#[derive(Debug)]
pub struct HereDoc {
    /// The word that ends it.
    pub delimiter: String,
    /// Whether the delimiter was quoted, so that nothing is expanded.
    pub quoted: bool,
    /// `<<-`
    pub strip: bool,
    /// The body.
    pub body: OnceCell<Word>,
}

/// A word.
#[derive(Debug, Clone, Default)]
pub struct Word {
    /// What it consists of.
    pub parts: Vec<Part>,
    /// As written.
    pub raw: Rc<str>,
    /// Whether it holds an unquoted `{` that may be a brace expansion.
    pub braces: bool,
    /// Set when it is `name=(...)` or `name=value` as an argument of a declaration command.
    pub assign: Option<Box<Assign>>,
}

/// A part of a word.
#[derive(Debug, Clone)]
pub enum Part {
    /// Unquoted text.
    Lit(String),
    /// Quoted text.
    Quoted(String),
    /// `"..."`
    Double(Vec<Part>),
    /// `$name` and `${...}`
    Param(Rc<Param>),
    /// `$(...)`
    Command(Rc<Substitution>),
    /// `$((...))`
    Arith(Arith),
    /// `<(...)` (`true`) and `>(...)`
    Process(bool, Rc<Substitution>),
    /// `~` or `~user`
    Tilde(String),
}

/// The body of a substitution.
#[derive(Debug)]
pub struct Substitution {
    /// What it runs.
    pub body: List,
}

/// What a parameter expansion is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A variable.
    Var(String),
    /// `$1`
    Positional(usize),
    /// `$@ $* $# $? $- $$ $! $0`
    Special(char),
}

/// A subscript.
#[derive(Debug, Clone)]
pub enum Subscript {
    /// `[@]`
    At,
    /// `[*]`
    Star,
    /// Any other.
    Word(Word),
}

/// A parameter expansion.
#[derive(Debug, Clone)]
pub struct Param {
    /// The parameter.
    pub name: Name,
    /// Its subscript.
    pub index: Option<Subscript>,
    /// `${!name}`
    pub indirect: bool,
    /// What is done with the value.
    pub op: Op,
}

/// `-`, `=`, `?`, `+`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// `-`
    Default,
    /// `=`
    Assign,
    /// `?`
    Error,
    /// `+`
    Alternate,
}

/// Where `${x/pattern/string}` looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// `/`
    First,
    /// `//`
    All,
    /// `/#`
    Prefix,
    /// `/%`
    Suffix,
}

/// `^`, `,`, `~`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// `^`
    Upper,
    /// `,`
    Lower,
    /// `~`
    Toggle,
}

/// What a parameter expansion does with its value.
#[derive(Debug, Clone)]
pub enum Op {
    /// Nothing.
    Plain,
    /// `${#x}`
    Length,
    /// `${x:-word}` and its kin; the flag is the colon.
    When(When, bool, Word),
    /// `#` (`false`) and `##`
    TrimPrefix(bool, Word),
    /// `%` (`false`) and `%%`
    TrimSuffix(bool, Word),
    /// `/`
    Replace(Where, Word, Option<Word>),
    /// `:offset:length`
    Substring(Arith, Option<Arith>),
    /// `^`, `^^`, ...: all (`true`) or the first.
    Case(Case, bool, Option<Word>),
    /// `@Q` and its kin
    Transform(char),
    /// `${!name[@]}`
    Keys,
    /// `${!prefix*}`; `true` for `@`
    Names(bool),
    /// Cannot be expanded; an error when it is reached.
    Bad(String),
}

impl Item {
    /// Whether it is a pipeline with nothing about it.
    pub fn is_plain(&self) -> bool {
        !self.background && !self.and_or.first.negated && self.and_or.first.timed.is_none()
    }
}

impl Compound {
    /// Whether `PIPESTATUS` stays as its last command set it.
    pub fn keeps_pipe_status(&self) -> bool {
        matches!(
            self,
            Self::Group(_) | Self::If(..) | Self::While(..) | Self::For(..) | Self::Case(..)
        )
    }
}

impl Word {
    /// A word of plain unquoted text.
    pub fn literal(text: &str) -> Self {
        Self {
            parts: vec![Part::Lit(text.to_owned())],
            raw: Rc::from(text),
            braces: false,
            assign: None,
        }
    }

    /// The text, if it is plain and unquoted.
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Lit(text)] => Some(text),
            _ => None,
        }
    }
}

impl Arith {
    /// An arithmetic text.
    pub fn new(word: Word) -> Self {
        Self {
            word,
            parsed: Rc::new(OnceCell::new()),
        }
    }
}
