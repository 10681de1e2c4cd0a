//! Values and arrays.

use super::number;
use indexmap::IndexMap;
use std::borrow::Borrow;
use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

/// Text of a value; shared, and extended in place when nobody else holds it.
pub type Text = Rc<Vec<u8>>;

/// A scalar.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Never assigned: "" and 0.
    #[default]
    Unset,
    Number(f64),
    Text(Text),
    /// Text from outside, which compares as a number if it looks like one.
    Input(Text),
}

impl Value {
    /// Text.
    pub fn text(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Text(Rc::new(bytes.into()))
    }

    /// Text from outside.
    pub fn input(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Input(Rc::new(bytes.into()))
    }

    /// As a number.
    pub fn number(&self) -> f64 {
        match self {
            Self::Unset => 0.0,
            Self::Number(value) => *value,
            Self::Text(text) | Self::Input(text) => number::value(text),
        }
    }

    /// As a condition.
    pub fn truth(&self) -> bool {
        match self {
            Self::Unset => false,
            Self::Number(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Input(text) => number::whole(text).map_or(!text.is_empty(), |value| value != 0.0),
        }
    }

    /// Appends the text; `format` is for numbers that are not integral.
    pub fn push_to(&self, out: &mut Vec<u8>, format: &[u8]) {
        match self {
            Self::Unset => {}
            Self::Number(value) => number::push(out, *value, format),
            Self::Text(text) | Self::Input(text) => out.extend_from_slice(text),
        }
    }

    /// As text.
    pub fn to_text(&self, format: &[u8]) -> Text {
        match self {
            Self::Text(text) | Self::Input(text) => Rc::clone(text),
            _ => {
                let mut out = Vec::new();
                self.push_to(&mut out, format);
                Rc::new(out)
            }
        }
    }

    /// The number, if comparisons see this value as one.
    pub fn as_numeric(&self) -> Option<f64> {
        match self {
            Self::Unset => Some(0.0),
            Self::Number(value) => Some(*value),
            Self::Text(_) => None,
            Self::Input(text) => number::whole(text),
        }
    }
}

/// A subscript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(pub Text);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_slice().hash(state);
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// An array; walks in the order of insertion until something is deleted.
pub type Array = IndexMap<Key, Value, foldhash::fast::RandomState>;

/// A shared array.
pub type ArrayRef = Rc<RefCell<Array>>;

/// What a slot holds.
#[derive(Clone, Debug)]
pub enum Cell {
    Scalar(Value),
    Array(ArrayRef),
}

impl Cell {
    /// An empty cell of either kind.
    pub fn new(array: bool) -> Self {
        if array {
            Self::Array(ArrayRef::default())
        } else {
            Self::Scalar(Value::Unset)
        }
    }
}
