//! How deeply a statement nests: what running it takes of the host's stack.

use super::ast::{Expr, Source, Stmt};

/// Height of a statement's tree.
pub fn of(stmt: &Stmt) -> usize {
    let inner = match stmt {
        Stmt::Expr(one) => expr(one),
        Stmt::Print(items, target) | Stmt::Printf(items, target) => {
            all(items).max(target.as_ref().map_or(0, |(_, name)| expr(name)))
        }
        Stmt::If(condition, then, other) => expr(condition)
            .max(of(then))
            .max(other.as_ref().map_or(0, |other| of(other))),
        Stmt::While(condition, body) | Stmt::DoWhile(body, condition) => expr(condition).max(of(body)),
        Stmt::For(start, condition, step, body) => {
            let parts = [start, step]
                .into_iter()
                .flatten()
                .map(|part| of(part))
                .max()
                .unwrap_or(0);
            parts.max(condition.as_ref().map_or(0, expr)).max(of(body)) + 1
        }
        Stmt::ForIn(_, _, body) => of(body) + 1,
        Stmt::Switch(subject, cases) => {
            let bodies = cases.iter().flat_map(|(_, body)| body).map(of).max().unwrap_or(0);
            expr(subject).max(bodies) + 1
        }
        Stmt::Block(body) => body.iter().map(of).max().unwrap_or(0),
        Stmt::Delete(_, subscripts) => all(subscripts),
        Stmt::Exit(value) | Stmt::Return(value) => value.as_ref().map_or(0, expr),
        Stmt::DeleteAll(_) | Stmt::Next | Stmt::NextFile | Stmt::Break | Stmt::Continue => 0,
    };
    inner + 1
}

fn all(items: &[Expr]) -> usize {
    items.iter().map(expr).max().unwrap_or(0)
}

fn expr(one: &Expr) -> usize {
    let inner = match one {
        Expr::Number(_) | Expr::Text(_) | Expr::Regex(_) | Expr::Var(_) => 0,
        Expr::Field(inner) | Expr::Not(inner) | Expr::Negate(inner) | Expr::Plus(inner) | Expr::Step(inner, _, _) => {
            expr(inner)
        }
        Expr::Element(_, items)
        | Expr::Group(items)
        | Expr::In(items, _)
        | Expr::Concat(items)
        | Expr::Call(_, items) => all(items),
        Expr::Builtin(_, items) => all(items) + 1,
        Expr::Assign(left, right)
        | Expr::AssignOp(_, left, right)
        | Expr::Or(left, right)
        | Expr::And(left, right)
        | Expr::Match(left, right, _)
        | Expr::Compare(_, left, right)
        | Expr::Arith(_, left, right) => expr(left).max(expr(right)),
        Expr::Cond(condition, yes, no) => expr(condition).max(expr(yes)).max(expr(no)),
        Expr::Getline(source, target) => {
            let source = match source {
                Source::Main => 0,
                Source::File(name) | Source::Command(name) => expr(name),
            };
            source.max(target.as_ref().map_or(0, |target| expr(target)))
        }
    };
    inner + 1
}
