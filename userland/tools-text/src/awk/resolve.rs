//! Which names are arrays: a fixed point over the uses of each name and the calls that pass it on.

use super::ast::Name;
use std::collections::{HashMap, HashSet};

/// How a name is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Scalar,
    Array,
    /// Passed to a function.
    Any,
}

/// A name, with its function when it is a parameter.
type Owner = (Option<usize>, Name);

/// Everything noted while parsing.
#[derive(Default)]
pub struct Kinds {
    arrays: HashSet<Owner>,
    scalars: HashSet<Owner>,
    links: HashMap<Owner, Vec<Owner>>,
}

fn owner(function: Option<usize>, name: Name) -> Owner {
    match name {
        Name::Global(_) => (None, name),
        Name::Local(_) => (function, name),
    }
}

impl Kinds {
    /// Notes a use of `name` in `function`.
    pub fn note(&mut self, function: Option<usize>, name: Name, usage: Use) {
        match usage {
            Use::Scalar => self.scalars.insert(owner(function, name)),
            Use::Array => self.arrays.insert(owner(function, name)),
            Use::Any => false,
        };
    }

    /// Notes that `name` is passed as parameter `position` of `callee`.
    pub fn link(&mut self, function: Option<usize>, name: Name, callee: usize, position: usize) {
        let (from, to) = (owner(function, name), (Some(callee), Name::Local(position)));
        self.links.entry(from).or_default().push(to);
        self.links.entry(to).or_default().push(from);
    }

    /// Spreads what is known along the calls; returns a name used both ways.
    pub fn resolve(&mut self) -> Option<Owner> {
        let mut open: Vec<Owner> = self.arrays.iter().copied().collect();
        while let Some(next) = open.pop() {
            for other in self.links.get(&next).into_iter().flatten() {
                if self.arrays.insert(*other) {
                    open.push(*other);
                }
            }
        }
        self.arrays.iter().find(|name| self.scalars.contains(name)).copied()
    }

    /// Whether a name is an array.
    pub fn is_array(&self, function: Option<usize>, name: Name) -> bool {
        self.arrays.contains(&owner(function, name))
    }
}
