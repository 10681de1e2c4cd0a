//! The program as a tree, names resolved to slots.

use super::regexes::Compiled;
use std::rc::Rc;

/// A scalar or array variable.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum Name {
    /// Slot of a global; the first ones are the special variables.
    Global(usize),
    /// Slot of a parameter in the running function's frame.
    Local(usize),
}

/// Binary arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
}

/// Comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Less,
    LessEqual,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
}

/// Where `getline` reads from.
pub enum Source {
    /// The main input.
    Main,
    /// A file.
    File(Box<Expr>),
    /// The output of a command.
    Command(Box<Expr>),
}

/// An expression.
pub enum Expr {
    Number(f64),
    Text(Rc<Vec<u8>>),
    /// A regular expression by itself: does `$0` match?
    Regex(Rc<Compiled>),
    Var(Name),
    Field(Box<Expr>),
    Element(Name, Vec<Expr>),
    /// `(i, j)`, which only `in` and `print` accept.
    Group(Vec<Expr>),
    Assign(Box<Expr>, Box<Expr>),
    AssignOp(Arith, Box<Expr>, Box<Expr>),
    /// Target, step, and whether the value is the one before.
    Step(Box<Expr>, f64, bool),
    Cond(Box<Expr>, Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    In(Vec<Expr>, Name),
    /// Text, expression, and whether it is `!~`.
    Match(Box<Expr>, Box<Expr>, bool),
    Compare(Compare, Box<Expr>, Box<Expr>),
    Concat(Vec<Expr>),
    Arith(Arith, Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Plus(Box<Expr>),
    Getline(Source, Option<Box<Expr>>),
    Call(usize, Vec<Expr>),
    Builtin(Builtin, Vec<Expr>),
}

/// Where output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect {
    Truncate,
    Append,
    Pipe,
}

/// A statement.
pub enum Stmt {
    Expr(Expr),
    Print(Vec<Expr>, Option<(Redirect, Expr)>),
    Printf(Vec<Expr>, Option<(Redirect, Expr)>),
    If(Expr, Box<Stmt>, Option<Box<Stmt>>),
    While(Expr, Box<Stmt>),
    DoWhile(Box<Stmt>, Expr),
    For(Option<Box<Stmt>>, Option<Expr>, Option<Box<Stmt>>, Box<Stmt>),
    ForIn(Name, Name, Box<Stmt>),
    /// Subject and cases; a case without a label is `default`.
    Switch(Expr, Vec<(Option<Expr>, Vec<Stmt>)>),
    Block(Vec<Stmt>),
    Delete(Name, Vec<Expr>),
    DeleteAll(Name),
    Next,
    NextFile,
    Exit(Option<Expr>),
    Return(Option<Expr>),
    Break,
    Continue,
}

/// When a rule runs.
pub enum Pattern {
    Always,
    When(Expr),
    /// From the first to the last, both tested on the same record too.
    Range(Expr, Expr),
}

/// A rule.
pub struct Rule {
    pub pattern: Pattern,
    /// `None` prints the record.
    pub body: Option<Stmt>,
}

/// A function.
pub struct Function {
    pub name: String,
    /// Which parameters are arrays.
    pub params: Vec<bool>,
    pub body: Stmt,
    /// How deeply statements and expressions nest in the body.
    pub height: usize,
}

/// A program.
pub struct Program {
    pub begin: Vec<Stmt>,
    pub rules: Vec<Rule>,
    pub end: Vec<Stmt>,
    pub functions: Vec<Function>,
    /// Names of the globals, special variables first, and which are arrays.
    pub globals: Vec<(String, bool)>,
}

macro_rules! builtins {
    ($($variant:ident $name:literal $min:literal $max:literal),* $(,)?) => {
        /// The functions of the language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Builtin { $($variant),* }

        impl Builtin {
            /// The function of this name, with the least and the greatest number of its arguments.
            pub fn find(name: &str) -> Option<(Self, usize, usize)> {
                match name {
                    $($name => Some((Self::$variant, $min, $max)),)*
                    _ => None,
                }
            }
        }
    };
}

builtins! {
    And "and" 2 64, Asort "asort" 1 3, Asorti "asorti" 1 3, Atan2 "atan2" 2 2, Close "close" 1 2, Compl "compl" 1 1,
    Cos "cos" 1 1, Exp "exp" 1 1, Fflush "fflush" 0 1, Gensub "gensub" 3 4, Gsub "gsub" 2 3, Index "index" 2 2,
    Int "int" 1 1, IsArray "isarray" 1 1, Length "length" 0 1, Log "log" 1 1, Lshift "lshift" 2 2,
    Match "match" 2 3, Mktime "mktime" 1 2, Or "or" 2 64, Patsplit "patsplit" 2 4, Rand "rand" 0 0,
    Rshift "rshift" 2 2, Sin "sin" 1 1, Split "split" 2 4, Sprintf "sprintf" 1 4096, Sqrt "sqrt" 1 1,
    Srand "srand" 0 1, Strftime "strftime" 0 3, Strtonum "strtonum" 1 1, Sub "sub" 2 3, Substr "substr" 2 3,
    System "system" 1 1, Systime "systime" 0 0, Tolower "tolower" 1 1, Toupper "toupper" 1 1, Typeof "typeof" 1 1,
    Xor "xor" 2 64,
}

impl Builtin {
    /// Positions of arguments that are arrays.
    pub fn arrays(self) -> &'static [usize] {
        match self {
            Self::Split | Self::Patsplit => &[1, 3],
            Self::Match => &[2],
            Self::Asort | Self::Asorti => &[0, 1],
            _ => &[],
        }
    }
}

/// Special variables: slots of the first globals.
pub mod special {
    pub const NF: usize = 0;
    pub const NR: usize = 1;
    pub const FNR: usize = 2;
    pub const FS: usize = 3;
    pub const OFS: usize = 4;
    pub const RS: usize = 5;
    pub const ORS: usize = 6;
    pub const SUBSEP: usize = 7;
    pub const CONVFMT: usize = 8;
    pub const OFMT: usize = 9;
    pub const IGNORECASE: usize = 10;
    pub const FPAT: usize = 11;
    pub const FIELDWIDTHS: usize = 12;
    pub const FILENAME: usize = 13;
    pub const RSTART: usize = 14;
    pub const RLENGTH: usize = 15;
    pub const RT: usize = 16;
    pub const ARGC: usize = 17;
    pub const ARGV: usize = 18;
    pub const ENVIRON: usize = 19;
    pub const PROCINFO: usize = 20;

    /// Their names by slot.
    pub const NAMES: &[&str] = &[
        "NF",
        "NR",
        "FNR",
        "FS",
        "OFS",
        "RS",
        "ORS",
        "SUBSEP",
        "CONVFMT",
        "OFMT",
        "IGNORECASE",
        "FPAT",
        "FIELDWIDTHS",
        "FILENAME",
        "RSTART",
        "RLENGTH",
        "RT",
        "ARGC",
        "ARGV",
        "ENVIRON",
        "PROCINFO",
    ];
    /// Slots below this one do something when they are read or assigned.
    pub const HOOKED: usize = FILENAME;
}
