//! Arguments of messages, under the names that uutils' `translate!` expects. The messages themselves are uucore's.

#![forbid(unsafe_code)]

/// Values by name, in the order in which they were set.
#[derive(Debug, Default)]
pub struct FluentArgs(Vec<(&'static str, FluentValue)>);

impl FluentArgs {
    /// No values.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sets a value.
    pub fn set(&mut self, name: &'static str, value: impl Into<FluentValue>) {
        self.0.push((name, value.into()));
    }

    /// The value that was set first under a name.
    pub fn get(&self, name: &str) -> Option<&FluentValue> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// A value: its text.
#[derive(Debug)]
pub struct FluentValue(String);

impl FluentValue {
    /// Appends the text.
    pub fn write(&self, out: &mut String) {
        out.push_str(&self.0);
    }
}

impl From<String> for FluentValue {
    fn from(text: String) -> Self {
        Self(text)
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl From<$number> for FluentValue {
            fn from(number: $number) -> Self {
                Self(number.to_string())
            }
        }
    )*};
}
numbers! { i64 u64 usize f64 }
