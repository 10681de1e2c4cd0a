//! Reading configuration: one object after another, every problem collected.
//!
//! A [`Section`] is an object of the configuration with its path. Readers take members out; what is left at the end is
//! unknown and reported with the known name that is spelled most like it. A problem never repeats a value that could be a
//! secret: kinds and paths only, values only of numbers and booleans.

use super::invalid::{InvalidConfig, Problems};
use crate::actions::nearest;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;
use std::rc::Rc;

/// One object of a configuration.
#[derive(Debug)]
pub(crate) struct Section {
    path: String,
    members: Map<String, Value>,
    known: Vec<&'static str>,
    problems: Rc<Problems>,
}

impl Section {
    /// The root of a configuration.
    pub(crate) fn root(members: Map<String, Value>) -> (Self, Rc<Problems>) {
        let problems = Rc::new(Problems::default());
        let section = Self {
            path: String::new(),
            members,
            known: Vec::new(),
            problems: Rc::clone(&problems),
        };
        (section, problems)
    }

    /// Where this section is, for messages.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Where a member is.
    pub(crate) fn path_of(&self, name: &str) -> String {
        match self.path.is_empty() {
            true => name.to_owned(),
            false => format!("{}.{name}", self.path),
        }
    }

    /// Reports that a member is wrong.
    pub(crate) fn problem(&self, name: &str, reason: impl std::fmt::Display) {
        self.problems.add(&self.path_of(name), reason);
    }

    /// Reports that something is wrong at a whole path.
    pub(super) fn problem_at(&self, path: &str, reason: impl std::fmt::Display) {
        self.problems.add(path, reason);
    }

    /// A section for members that were taken out by hand.
    pub(super) fn nested(&self, name: &str, members: Map<String, Value>) -> Self {
        self.inner(self.path_of(name), members)
    }

    /// Takes a member out.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.members.remove(name)
    }

    /// Text.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            other => self.wrong(name, "a string", &other),
        }
    }

    /// A boolean.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(flag) => Some(flag),
            other => self.wrong(name, "a boolean", &other),
        }
    }

    /// A whole number within bounds.
    pub(crate) fn integer(&mut self, name: &'static str, bounds: RangeInclusive<u64>) -> Option<u64> {
        let value = self.take(name)?;
        match value.as_u64().filter(|number| bounds.contains(number)) {
            Some(number) => Some(number),
            None => {
                let expected = format!("an integer between {} and {}", bounds.start(), bounds.end());
                self.wrong(name, &expected, &value)
            }
        }
    }

    /// Whether a function stands here.
    pub(crate) fn function(&mut self, name: &'static str) -> bool {
        match self.take(name) {
            None => false,
            Some(value) if is_function(&value) => true,
            Some(other) => {
                self.problem(name, mismatch("a function", &other));
                false
            }
        }
    }

    /// An array of strings.
    pub(crate) fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        let items = self.items(name)?;
        let mut texts = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            match item {
                Value::String(text) => texts.push(text),
                other => self.problem(&format!("{name}[{at}]"), mismatch("a string", &other)),
            }
        }
        Some(texts)
    }

    /// An array.
    pub(crate) fn items(&mut self, name: &'static str) -> Option<Vec<Value>> {
        match self.take(name)? {
            Value::Array(items) => Some(items),
            other => self.wrong(name, "an array", &other),
        }
    }

    /// An object whose members are read one by one.
    pub(crate) fn section(&mut self, name: &'static str) -> Option<Self> {
        match self.take(name)? {
            Value::Object(members) if !members.contains_key(KIND) => Some(self.inner(self.path_of(name), members)),
            other => self.wrong(name, "an object", &other),
        }
    }

    /// The objects of an array.
    pub(crate) fn sections(&mut self, name: &'static str) -> Vec<Self> {
        let mut sections = Vec::new();
        for (at, item) in self.items(name).unwrap_or_default().into_iter().enumerate() {
            match item {
                Value::Object(members) => sections.push(self.inner(self.path_of(&format!("{name}[{at}]")), members)),
                other => self.problem(&format!("{name}[{at}]"), mismatch("an object", &other)),
            }
        }
        sections
    }

    /// The members of this section, each an object, by name.
    pub(crate) fn named(mut self) -> Vec<(String, Self)> {
        let members = std::mem::take(&mut self.members);
        let mut sections = Vec::new();
        for (name, value) in members {
            match value {
                Value::Object(members) => {
                    let path = self.path_of(&name);
                    sections.push((name, self.inner(path, members)));
                }
                other => self.problem(&name, mismatch("an object", &other)),
            }
        }
        sections
    }

    /// The members of this section, each a string.
    pub(crate) fn strings(mut self) -> Vec<(String, String)> {
        let members = std::mem::take(&mut self.members);
        let mut strings = Vec::new();
        for (name, value) in members {
            match value {
                Value::String(text) => strings.push((name, text)),
                other => self.problem(&name, mismatch("a string", &other)),
            }
        }
        strings
    }

    /// Everything that is left, unread.
    pub(crate) fn rest(mut self) -> Map<String, Value> {
        std::mem::take(&mut self.members)
    }

    fn inner(&self, path: String, members: Map<String, Value>) -> Self {
        Self {
            path,
            members,
            known: Vec::new(),
            problems: Rc::clone(&self.problems),
        }
    }

    fn wrong<T>(&self, name: &str, expected: &str, value: &Value) -> Option<T> {
        self.problem(name, mismatch(expected, value));
        None
    }
}

impl Drop for Section {
    /// What nobody asked for is unknown.
    fn drop(&mut self) {
        for name in std::mem::take(&mut self.members).keys() {
            let shown: String = name.chars().take(64).flat_map(char::escape_default).collect();
            let hint = nearest(name, &self.known).map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
            self.problems
                .add(&self.path_of(&shown), format_args!("unknown key{hint}"));
        }
    }
}

/// Member of an object that stands for something that is no configuration, such as a function; its value says what.
pub(super) const KIND: &str = "$kind";

/// That a value is not what it should be.
pub(super) fn mismatch(expected: &str, value: &Value) -> String {
    let given = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("boolean {flag}"),
        Value::Number(number) => format!("number {number}"),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(members) => match members.get(KIND) {
            Some(Value::String(kind)) => kind.chars().take(64).flat_map(char::escape_default).collect(),
            _ => "an object".to_owned(),
        },
    };
    format!("must be {expected}, got {given}")
}

/// Whether a value stands for a function.
pub(super) fn is_function(value: &Value) -> bool {
    value.get(KIND).and_then(Value::as_str) == Some("a function")
}

/// What reading gave, if nothing was wrong.
pub(crate) fn checked<T>(value: T, problems: &Problems) -> Result<T, InvalidConfig> {
    problems.finish().map(|()| value)
}
