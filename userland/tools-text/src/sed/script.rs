//! A parsed script.

use crate::regex::Regex;
use std::rc::Rc;

/// An expression; `None` is the empty expression, which means the one used last.
pub type Pattern = Option<Rc<Regex>>;

/// One end of an address.
pub enum Address {
    /// Line number; 0 only as the start of a range.
    Line(u64),
    /// `first~step`.
    Step(u64, u64),
    /// `$`.
    Last,
    /// `/re/`.
    Match(Pattern),
    /// `+N`, second address only.
    Plus(u64),
    /// `~N`, second address only.
    Multiple(u64),
}

/// What a command does.
pub enum Action {
    /// `{`; holds the index behind the matching `}`.
    Block(usize),
    /// `}` and labels.
    Nothing,
    /// `=`.
    LineNumber,
    Append(Vec<u8>),
    Insert(Vec<u8>),
    Change(Vec<u8>),
    /// `b`, with the index to go to.
    Branch(usize),
    /// `t`.
    BranchIfReplaced(usize),
    /// `T`.
    BranchUnlessReplaced(usize),
    Delete,
    DeleteFirst,
    FileName,
    Get,
    GetAppend,
    Hold,
    HoldAppend,
    Exchange,
    /// `l`, with its line length where given.
    List(Option<usize>),
    Next,
    NextAppend,
    Print,
    PrintFirst,
    Quit(i32),
    QuitSilently(i32),
    ReadFile(Vec<u8>),
    ReadLine(usize),
    WriteFile(usize),
    WriteFirst(usize),
    Substitute(Box<Substitute>),
    Translate(Box<Translate>),
    Zap,
}

/// A command with its addresses.
pub struct Command {
    pub from: Option<Address>,
    pub to: Option<Address>,
    pub negate: bool,
    pub action: Action,
}

/// The `s` command.
pub struct Substitute {
    pub pattern: Pattern,
    pub replacement: Vec<Part>,
    pub global: bool,
    pub number: usize,
    pub print: bool,
    pub write: Option<usize>,
    pub needs_groups: bool,
}

/// A piece of a replacement.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    Literal(Vec<u8>),
    Group(usize),
    Case(Case),
}

/// `\U \L \E \u \l`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Upper,
    Lower,
    End,
    UpperNext,
    LowerNext,
}

/// The `y` command: pairs of characters.
pub struct Translate {
    /// For single bytes, the common case.
    pub bytes: [u8; 256],
    /// For the rest.
    pub chars: Vec<(char, Vec<u8>)>,
}

/// The whole program.
pub struct Script {
    pub commands: Vec<Command>,
    /// Names of the files of `w`, `W` and `s///w`, by the index that commands hold.
    pub outputs: Vec<Vec<u8>>,
    /// Names of the files of `R`.
    pub inputs: Vec<Vec<u8>>,
}
