//! Variables.
//!
//! One table holds what is visible now. A function's `local` saves the value it hides on the function's frame, and the
//! return puts it back: dynamic scoping with lookups that do not depend on the depth of calls.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

/// A quick hash for short names; the table is the guest's own, so nobody gains by collisions.
#[derive(Debug, Clone, Copy)]
pub struct NameHasher(u64);

impl Default for NameHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for NameHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = (self.0 ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// A map from names.
pub type NameMap<T> = HashMap<String, T, BuildHasherDefault<NameHasher>>;

/// Attributes of a variable, as bits.
pub mod attr {
    /// `-x`
    pub const EXPORT: u16 = 1;
    /// `-r`
    pub const READONLY: u16 = 2;
    /// `-i`
    pub const INTEGER: u16 = 4;
    /// `-l`
    pub const LOWER: u16 = 8;
    /// `-u`
    pub const UPPER: u16 = 16;
    /// `-n`
    pub const NAMEREF: u16 = 32;
    /// `-t`
    pub const TRACE: u16 = 64;
    /// `-c`
    pub const CAPITAL: u16 = 128;
}

/// An associative array. It is walked in the order in which bash walks its own: by bucket of its hash, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assoc {
    entries: HashMap<String, (u64, String), BuildHasherDefault<NameHasher>>,
    next: u64,
}

impl Assoc {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&String> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// Sets the value of a key.
    pub fn insert(&mut self, key: String, value: String) {
        let next = self.next;
        self.next += 1;
        self.entries
            .entry(key)
            .and_modify(|(_, old)| old.clone_from(&value))
            .or_insert((next, value));
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &str) {
        self.entries.remove(key);
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Keys and values in order.
    pub fn iter(&self) -> Vec<(&String, &String)> {
        let mut buckets: u32 = 1024;
        while self.entries.len() >= buckets as usize * 2 {
            buckets *= 4;
        }
        let mut all: Vec<_> = self
            .entries
            .iter()
            .map(|(key, (age, value))| (fnv(key) & (buckets - 1), std::cmp::Reverse(*age), key, value))
            .collect();
        all.sort_unstable_by_key(|(bucket, age, ..)| (*bucket, *age));
        all.into_iter().map(|(.., key, value)| (key, value)).collect()
    }
}

fn fnv(key: &str) -> u32 {
    crate::text::encode(key).iter().fold(2_166_136_261, |hash: u32, b| {
        hash.wrapping_mul(16_777_619) ^ (i32::from(*b as i8) as u32)
    })
}

/// What a variable holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Value {
    /// Nothing yet.
    #[default]
    Unset,
    /// Text.
    Scalar(String),
    /// An indexed array.
    Indexed(BTreeMap<u64, String>),
    /// An associative array.
    Assoc(Assoc),
}

/// A variable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Var {
    /// What it holds.
    pub value: Value,
    /// Bits of [`attr`].
    pub attrs: u16,
}

impl Var {
    /// A variable with a text.
    pub fn scalar(text: impl Into<String>) -> Self {
        Self {
            value: Value::Scalar(text.into()),
            attrs: 0,
        }
    }

    /// Whether it has an attribute.
    pub fn has(&self, bit: u16) -> bool {
        self.attrs & bit != 0
    }

    /// Its text; of an array, that of element 0.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Unset => None,
            Value::Scalar(text) => Some(text),
            Value::Indexed(map) => map.get(&0).map(String::as_str),
            Value::Assoc(map) => map.get("0").map(String::as_str),
        }
    }

    /// Whether it is an array.
    pub fn is_array(&self) -> bool {
        matches!(self.value, Value::Indexed(_) | Value::Assoc(_))
    }

    /// All its values.
    pub fn values(&self) -> Vec<String> {
        match &self.value {
            Value::Unset => Vec::new(),
            Value::Scalar(text) => vec![text.clone()],
            Value::Indexed(map) => map.values().cloned().collect(),
            Value::Assoc(map) => map.iter().into_iter().map(|(_, v)| v.clone()).collect(),
        }
    }

    /// All its subscripts.
    pub fn keys(&self) -> Vec<String> {
        match &self.value {
            Value::Unset => Vec::new(),
            Value::Scalar(_) => vec!["0".to_owned()],
            Value::Indexed(map) => map.keys().map(u64::to_string).collect(),
            Value::Assoc(map) => map.iter().into_iter().map(|(k, _)| k.clone()).collect(),
        }
    }

    /// Number of its elements.
    pub fn len(&self) -> usize {
        match &self.value {
            Value::Unset => 0,
            Value::Scalar(_) => 1,
            Value::Indexed(map) => map.len(),
            Value::Assoc(map) => map.len(),
        }
    }
}

/// What a function call or a command with assignments hid.
#[derive(Debug, Default)]
struct Frame {
    saved: Vec<(String, Option<Var>)>,
    /// Made for the assignments before a command, not for a function.
    temporary: bool,
}

/// All variables.
#[derive(Debug, Default)]
pub struct Vars {
    table: NameMap<Var>,
    frames: Vec<Frame>,
}

impl Vars {
    /// The variable of a name, as it is.
    pub fn get(&self, name: &str) -> Option<&Var> {
        self.table.get(name)
    }

    /// The text of a variable.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.table.get(name).and_then(Var::text)
    }

    /// The variable of a name to change; made if need be.
    pub fn entry(&mut self, name: &str) -> &mut Var {
        if !self.table.contains_key(name) {
            self.table.insert(name.to_owned(), Var::default());
        }
        self.existing(name)
    }

    fn existing(&mut self, name: &str) -> &mut Var {
        // Just made or checked by the caller; an absent one is made, so that there is no way to fail.
        self.table.entry(name.to_owned()).or_default()
    }

    /// The variable of a name to change, if there is one.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Var> {
        self.table.get_mut(name)
    }

    /// Sets a text, without regard to attributes.
    pub fn set(&mut self, name: &str, text: impl Into<String>) {
        match self.get_mut(name) {
            Some(var) => var.value = Value::Scalar(text.into()),
            None => {
                self.table.insert(name.to_owned(), Var::scalar(text));
            }
        }
    }

    /// Puts a variable in place of what was there.
    pub fn insert(&mut self, name: &str, var: Var) {
        self.table.insert(name.to_owned(), var);
    }

    /// Removes a variable. One that is local to the present function stays hidden, unset, until it returns.
    pub fn unset(&mut self, name: &str) {
        self.table.remove(name);
    }

    /// Names in order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.table.keys().filter(|n| !n.ends_with('%')).cloned().collect();
        names.sort_unstable();
        names
    }

    /// Begins a frame; `temporary` for the assignments before a command.
    pub fn push(&mut self, temporary: bool) {
        self.frames.push(Frame {
            saved: Vec::new(),
            temporary,
        });
    }

    /// Ends the newest frame and brings back what it hid.
    pub fn pop(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        for (name, var) in frame.saved.into_iter().rev() {
            match var {
                Some(var) => self.table.insert(name, var),
                None => self.table.remove(&name),
            };
        }
    }

    /// Whether there is a frame of a function.
    pub fn in_function(&self) -> bool {
        self.frames.iter().any(|f| !f.temporary)
    }

    /// Hides a variable until the newest frame ends; what was there is left in place. `false` if it is hidden already.
    pub fn hide(&mut self, name: &str) -> bool {
        let Some(at) = self.frames.len().checked_sub(1) else {
            return false;
        };
        self.hide_in(at, name)
    }

    /// As [`Vars::hide`], until the newest function returns.
    pub fn localize(&mut self, name: &str) -> bool {
        match self.frames.iter().rposition(|f| !f.temporary) {
            Some(at) => self.hide_in(at, name),
            None => false,
        }
    }

    fn hide_in(&mut self, at: usize, name: &str) -> bool {
        let frame = &mut self.frames[at];
        if frame.saved.iter().any(|(saved, _)| saved == name) {
            return false;
        }
        frame.saved.push((name.to_owned(), self.table.get(name).cloned()));
        true
    }

    /// Whether a name is local to the newest function.
    pub fn is_local(&self, name: &str) -> bool {
        self.frames
            .iter()
            .rfind(|f| !f.temporary)
            .is_some_and(|f| f.saved.iter().any(|(saved, _)| saved == name))
    }

    /// Names local to the newest function.
    pub fn locals(&self) -> Vec<String> {
        let frame = self.frames.iter().rfind(|f| !f.temporary);
        frame
            .map(|f| f.saved.iter().map(|(name, _)| name.clone()).collect())
            .unwrap_or_default()
    }

    /// Runs `f` on the global variable of a name, though functions may have hidden it.
    pub fn with_global<T>(&mut self, name: &str, f: impl FnOnce(&mut Var) -> T) -> T {
        let slot = self
            .frames
            .iter_mut()
            .filter(|frame| !frame.temporary)
            .find_map(|frame| frame.saved.iter_mut().find(|(saved, _)| saved == name));
        match slot {
            Some((_, var)) => f(var.get_or_insert_with(Var::default)),
            None => f(self.entry(name)),
        }
    }

    /// Follows name references; a cycle ends where it began.
    pub fn resolve<'a>(&'a self, name: &'a str) -> &'a str {
        let mut at = name;
        for _ in 0..8 {
            match self.table.get(at) {
                Some(var) if var.has(attr::NAMEREF) => match var.text() {
                    Some(target) if !target.is_empty() => at = target,
                    _ => return at,
                },
                _ => return at,
            }
        }
        name
    }

    /// The environment of a program: `NAME=value` for each exported variable, in order of names.
    pub fn environment(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<_> = self
            .table
            .iter()
            .filter(|(_, var)| var.has(attr::EXPORT) && !var.is_array())
            .filter_map(|(name, var)| var.text().map(|text| (name.as_str(), text)))
            .collect();
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locals_hide_and_come_back() {
        let mut vars = Vars::default();
        vars.set("x", "1");
        vars.push(false);
        assert!(vars.localize("x"));
        vars.insert("x", Var::scalar("2"));
        assert!(!vars.localize("x"));
        assert!(vars.localize("y"));
        vars.set("y", "3");
        vars.with_global("x", |var| var.value = Value::Scalar("9".into()));
        assert_eq!(vars.text("x"), Some("2"));
        vars.pop();
        assert_eq!((vars.text("x"), vars.text("y")), (Some("9"), None));
    }

    #[test]
    fn references_are_followed_and_cycles_end() {
        let mut vars = Vars::default();
        for (from, to) in [("a", "b"), ("b", "c"), ("d", "d")] {
            vars.insert(
                from,
                Var {
                    value: Value::Scalar(to.into()),
                    attrs: attr::NAMEREF,
                },
            );
        }
        assert_eq!((vars.resolve("a"), vars.resolve("d")), ("c", "d"));
    }
}
