//! Arguments of actions, read one by one.
//!
//! A client may send anything. Each reader takes one value out, says what it may be, and refuses everything else with
//! `invalid_argument`, which names the argument by its path (`options.timeout`, `files[2].content`), what is accepted and what
//! was given. Nothing is converted: a number in quotes is a string. Members that an options object does not know are refused,
//! because a misspelt `recursive` must not pass for its absence.

use agentos_value::{ActorError, Object, Value};
use bytes::Bytes;
use std::ops::RangeInclusive;

/// What reading arguments gives.
pub(crate) type Result<T> = std::result::Result<T, ActorError>;

/// The arguments of one call.
#[derive(Debug)]
pub(crate) struct Args {
    values: std::vec::IntoIter<Value>,
    taken: usize,
}

/// One argument, or a part of one.
#[derive(Debug)]
pub(crate) struct Arg {
    path: String,
    value: Value,
}

/// The members of an options object.
#[derive(Debug)]
pub(crate) struct Members {
    path: String,
    object: Object,
}

impl Args {
    /// Arguments as they came.
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self {
            values: values.into_iter(),
            taken: 0,
        }
    }

    /// The next argument, which has to be there for the reader that follows to accept it.
    pub(crate) fn next(&mut self, name: &str) -> Arg {
        self.taken += 1;
        Arg {
            path: name.to_owned(),
            value: self.values.next().unwrap_or(Value::Undefined),
        }
    }

    /// The next argument, if it is given and neither `undefined` nor `null`.
    pub(crate) fn optional(&mut self, name: &str) -> Option<Arg> {
        Some(self.next(name)).filter(|arg| !arg.value.is_nullish())
    }

    /// The next argument as an object of options with these members at most; empty if it is not given.
    pub(crate) fn options(&mut self, known: &[&str]) -> Result<Members> {
        match self.optional("options") {
            Some(arg) => arg.members(known),
            None => Ok(Members {
                path: "options".to_owned(),
                object: Object::new(),
            }),
        }
    }

    /// Refuses arguments that nobody asked for.
    pub(crate) fn end(mut self) -> Result<()> {
        let taken = self.taken;
        match self.values.find(|value| !value.is_nullish()) {
            None => Ok(()),
            Some(value) => Err(refused(
                &format!("arguments[{taken}]"),
                &format!("nothing: the action takes {taken} arguments"),
                &value,
            )),
        }
    }
}

impl Arg {
    /// A string.
    pub(crate) fn text(self) -> Result<String> {
        match self.value {
            Value::Text(text) => Ok(text),
            other => Err(refused(&self.path, "a string", &other)),
        }
    }

    /// One of these words.
    pub(crate) fn word(self, words: &[&'static str]) -> Result<&'static str> {
        let given = self.value.as_str();
        match words.iter().find(|word| given == Some(**word)) {
            Some(word) => Ok(word),
            None => Err(refused(
                &self.path,
                &format!("one of \"{}\"", words.join("\", \"")),
                &self.value,
            )),
        }
    }

    /// A string or bytes.
    pub(crate) fn content(self) -> Result<Bytes> {
        match self.value {
            Value::Text(text) => Ok(Bytes::from(text)),
            Value::Bytes(bytes) | Value::ArrayBuffer(bytes) => Ok(bytes),
            other => Err(refused(&self.path, "a string or a Uint8Array", &other)),
        }
    }

    /// A boolean.
    pub(crate) fn flag(self) -> Result<bool> {
        match self.value {
            Value::Bool(flag) => Ok(flag),
            other => Err(refused(&self.path, "a boolean", &other)),
        }
    }

    /// A whole number within these bounds.
    pub(crate) fn integer(self, bounds: RangeInclusive<u64>) -> Result<u64> {
        let given = match &self.value {
            Value::Int(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        match given.filter(|number| bounds.contains(number)) {
            Some(number) => Ok(number),
            None => {
                let expected = format!("an integer between {} and {}", bounds.start(), bounds.end());
                Err(refused(&self.path, &expected, &self.value))
            }
        }
    }

    /// A number of seconds, of which the receiver says how many there may be.
    pub(crate) fn seconds(self) -> Result<i64> {
        match self.value {
            Value::Int(number) => Ok(number),
            other => Err(refused(&self.path, "an integer", &other)),
        }
    }

    /// A process id.
    pub(crate) fn pid(self) -> Result<u32> {
        let number = self.integer(0..=u64::from(u32::MAX))?;
        // Within the bounds just checked.
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
    }

    /// A port.
    pub(crate) fn port(self) -> Result<u16> {
        let number = self.integer(1..=u64::from(u16::MAX))?;
        Ok(u16::try_from(number).unwrap_or(u16::MAX))
    }

    /// The items of an array.
    pub(crate) fn items(self) -> Result<Vec<Arg>> {
        let Value::Array(items) = self.value else {
            return Err(refused(&self.path, "an array", &self.value));
        };
        let path = self.path;
        let item = |(at, value)| Arg {
            path: format!("{path}[{at}]"),
            value,
        };
        Ok(items.into_iter().enumerate().map(item).collect())
    }

    /// An array of strings.
    pub(crate) fn texts(self) -> Result<Vec<String>> {
        self.items()?.into_iter().map(Arg::text).collect()
    }

    /// An object whose members are strings.
    pub(crate) fn dictionary(self) -> Result<Vec<(String, String)>> {
        let members = self.named_items("an object of strings")?;
        members.into_iter().map(|(name, arg)| Ok((name, arg.text()?))).collect()
    }

    /// The members of an object, by name.
    pub(crate) fn named_items(self, expected: &str) -> Result<Vec<(String, Arg)>> {
        let Value::Object(object) = self.value else {
            return Err(refused(&self.path, expected, &self.value));
        };
        let path = self.path;
        let member = |(name, value): (String, Value)| {
            let path = format!("{path}.{name}");
            (name, Arg { path, value })
        };
        Ok(object.into_iter().map(member).collect())
    }

    /// An object with these members at most.
    pub(crate) fn members(self, known: &[&str]) -> Result<Members> {
        let Value::Object(object) = self.value else {
            return Err(refused(&self.path, "an object", &self.value));
        };
        if let Some((name, value)) = object.iter().find(|(name, _)| !known.contains(name)) {
            let nearest = nearest(name, known).map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
            let expected = format!("no such member{nearest}; known are {}", known.join(", "));
            return Err(refused(&format!("{}.{name}", self.path), &expected, value));
        }
        Ok(Members {
            path: self.path,
            object,
        })
    }

    /// Whether it is a string.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.value, Value::Text(_))
    }

    /// Whether it is an object.
    pub(crate) fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    /// The value itself.
    pub(crate) fn into_value(self) -> Value {
        self.value
    }

    /// Refuses it, saying what would be accepted.
    pub(crate) fn refuse<T>(self, expected: &str) -> Result<T> {
        Err(refused(&self.path, expected, &self.value))
    }
}

impl Members {
    /// A member, if it is given and neither `undefined` nor `null`.
    pub(crate) fn take(&mut self, name: &str) -> Option<Arg> {
        let value = self.object.remove(name)?;
        let path = format!("{}.{name}", self.path);
        (!value.is_nullish()).then_some(Arg { path, value })
    }

    /// A member that has to be there for the reader that follows to accept it.
    pub(crate) fn need(&mut self, name: &str) -> Arg {
        Arg {
            path: format!("{}.{name}", self.path),
            value: self.object.remove(name).unwrap_or(Value::Undefined),
        }
    }

    /// A boolean that is false unless given.
    pub(crate) fn flag(&mut self, name: &str) -> Result<bool> {
        self.take(name).map_or(Ok(false), Arg::flag)
    }

    /// A string, if given.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>> {
        self.take(name).map(Arg::text).transpose()
    }

    /// A whole number, if given.
    pub(crate) fn integer(&mut self, name: &str, bounds: RangeInclusive<u64>) -> Result<Option<u64>> {
        self.take(name).map(|arg| arg.integer(bounds)).transpose()
    }
}

/// `invalid_argument` with its three parts.
pub(crate) fn invalid_argument(path: &str, expected: &str, received: &str) -> ActorError {
    ActorError::agentos(
        "invalid_argument",
        format!("invalid argument {path}: expected {expected}, got {received}"),
    )
    .with_metadata(Value::object([
        ("path", path),
        ("expected", expected),
        ("received", received),
    ]))
}

fn refused(path: &str, expected: &str, value: &Value) -> ActorError {
    invalid_argument(path, expected, &describe(value))
}

/// Longest piece of a refused value that is repeated, in characters.
const QUOTE: usize = 64;

/// The kind of a value, and the value where it is short and no content.
fn describe(value: &Value) -> String {
    match value {
        Value::Undefined | Value::Null => value.kind().to_owned(),
        Value::Bool(flag) => format!("boolean {flag}"),
        Value::Int(number) => format!("number {number}"),
        Value::Float(number) => format!("number {number}"),
        Value::Text(text) => {
            let shown: String = text.chars().take(QUOTE).flat_map(char::escape_default).collect();
            let more = if text.chars().nth(QUOTE).is_some() { "..." } else { "" };
            format!("string \"{shown}{more}\"")
        }
        other => other.kind().to_owned(),
    }
}

/// The known name that is spelled most like `name`, if one nearly is.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known.iter().map(|candidate| {
        (
            strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase()),
            *candidate,
        )
    });
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arg(value: impl Into<Value>) -> Arg {
        Arg {
            path: "x".to_owned(),
            value: value.into(),
        }
    }

    #[test]
    fn refusals_name_argument_expectation_and_gift() {
        let error = arg(5).text().unwrap_err();
        assert_eq!(error.message, "invalid argument x: expected a string, got number 5");
        let metadata = error.metadata.unwrap();
        assert_eq!(metadata.get("path").unwrap().as_str(), Some("x"));
        assert_eq!(metadata.get("received").unwrap().as_str(), Some("number 5"));
        let error = arg(70_000).port().unwrap_err();
        assert_eq!(
            error.message,
            "invalid argument x: expected an integer between 1 and 65535, got number 70000"
        );
        assert!(arg("64").integer(1..=100).is_err() && arg(1.5).integer(1..=2).is_err() && arg(-1).pid().is_err());
    }

    #[test]
    fn unknown_members_are_refused_with_the_nearest_known() {
        let options = Value::object([("recursve", true)]);
        let error = Args::new(vec![options]).options(&["recursive"]).unwrap_err();
        assert!(error.message.contains("options.recursve"), "{}", error.message);
        assert!(error.message.contains("did you mean recursive?"), "{}", error.message);
    }

    #[test]
    fn absent_and_null_options_are_the_same() {
        for values in [vec![], vec![Value::Null], vec![Value::Undefined]] {
            let mut args = Args::new(values);
            assert!(!args.options(&["a"]).unwrap().flag("a").unwrap());
            assert!(args.end().is_ok());
        }
        let error = Args::new(vec![Value::Null, 1.into()]).end().unwrap_err();
        assert!(error.message.contains("arguments[0]"));
    }

    #[test]
    fn items_know_their_place() {
        let list = Value::Array(vec!["a".into(), 2.into()]);
        let error = Args::new(vec![list]).next("paths").texts().unwrap_err();
        assert!(error.message.contains("paths[1]"), "{}", error.message);
    }
}
