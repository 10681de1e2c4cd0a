//! Arithmetic: 64-bit integers, wrapping, with bash's operators.
//!
//! An expression is parsed into a tree once and evaluated many times. What a variable holds is itself an expression,
//! evaluated when it is read; recursion is bounded.

mod eval;
mod parse;

pub use eval::{Context, evaluate};
pub use parse::parse;

/// An error, as the text after the expression in bash's message.
pub type Error = String;

/// A place that can be assigned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The variable.
    pub name: String,
    /// Its subscript as written, if any.
    pub index: Option<String>,
}

/// Operators of two operands that only compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// `**`
    Pow,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `<<`
    Shl,
    /// `>>`
    Shr,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `&`
    And,
    /// `^`
    Xor,
    /// `|`
    Or,
}

/// Operators of one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `!`
    Not,
    /// `~`
    Complement,
}

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// A number.
    Number(i64),
    /// A variable.
    Read(Place),
    /// `op x`
    Unary(Unary, Box<Expr>),
    /// `x op y`
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// `x && y`
    LogicalAnd(Box<Expr>, Box<Expr>),
    /// `x || y`
    LogicalOr(Box<Expr>, Box<Expr>),
    /// `x ? y : z`
    Conditional(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `x, y`
    Comma(Box<Expr>, Box<Expr>),
    /// `x = y`, `x += y`
    Assign(Place, Option<Binary>, Box<Expr>),
    /// `++x`: by how much, and whether the old value is the result.
    Step(Place, i64, bool),
}
