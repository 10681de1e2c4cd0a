//! Templates of addresses: `notes://{folder}/{+rest}` and which addresses they stand for.
//!
//! `{name}` is anything without a slash, `{+name}` anything; neither is empty. A variable ends where the text that follows
//! it in the template first stands, so that an address has one reading.

use super::Variables;
use percent_encoding::percent_decode_str;

/// A template, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable { name: String, many: bool },
}

impl Pattern {
    /// Takes a template apart, or says what is wrong with it.
    pub(super) fn parse(template: &str) -> Result<Self, &'static str> {
        let mut parts = Vec::new();
        let mut rest = template;
        while !rest.is_empty() {
            let Some((text, after)) = rest.split_once('{') else {
                parts.push(Part::Text(rest.to_owned()));
                break;
            };
            let (variable, after) = after.split_once('}').ok_or("has a { without its }")?;
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            } else if matches!(parts.last(), Some(Part::Variable { .. })) {
                return Err("has two variables with nothing between them");
            }
            let (many, name) = match variable.strip_prefix('+') {
                Some(name) => (true, name),
                None => (false, variable),
            };
            let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if name.is_empty() || !is_name(name) {
                return Err("has a variable that is no {name} or {+name}");
            }
            parts.push(Part::Variable {
                name: name.to_owned(),
                many,
            });
            rest = after;
        }
        Ok(Self(parts))
    }

    /// The names of its variables.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable { name, .. } => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The values by which an address comes of it.
    pub(super) fn read(&self, uri: &str) -> Option<Variables> {
        let mut values = Variables::new();
        let mut rest = uri;
        let mut parts = self.0.iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Text(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Variable { name, many } => {
                    let end = match parts.peek() {
                        Some(Part::Text(next)) => rest.find(next.as_str())?,
                        _ => rest.len(),
                    };
                    let (value, after) = rest.split_at_checked(end)?;
                    if value.is_empty() || (!many && value.contains('/')) {
                        return None;
                    }
                    let value = percent_decode_str(value).decode_utf8().ok()?;
                    values.insert(name.clone(), value.into_owned());
                    rest = after;
                }
            }
        }
        rest.is_empty().then_some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(template: &str, uri: &str) -> Option<Vec<(String, String)>> {
        let values = Pattern::parse(template).unwrap().read(uri)?;
        Some(values.into_iter().collect())
    }

    #[test]
    fn addresses_are_read_in_one_way() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Some(pairs.collect::<Vec<_>>())
        };
        assert_eq!(read("x://a", "x://a"), of(&[]));
        assert_eq!(read("x://a", "x://ab"), None);
        assert_eq!(read("x://{id}/data", "x://7/data"), of(&[("id", "7")]));
        assert_eq!(read("x://{id}/data", "x://7/8/data"), None);
        assert_eq!(read("x://{id}/data", "x:///data"), None);
        assert_eq!(read("x://{a}-{b}", "x://1-2-3"), of(&[("a", "1"), ("b", "2-3")]));
        assert_eq!(read("x://{+path}", "x://a/b%20c"), of(&[("path", "a/b c")]));
        assert_eq!(read("x://{id}", "x://%ff"), None);
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for wrong in ["x://{", "x://{}", "x://{a}{b}", "x://{a b}", "x://{+}"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
