//! Names, keys and ids of actors.
//!
//! A key is an array of strings. Its serialized form separates parts by `/` and escapes what would be ambiguous: `\\`
//! for `\`, `\/` for `/`, `\0` for an empty part; a key without parts is `/` alone. Parsing is total: every text is the
//! serialized form of some key, or nearly so, as clients' own parsers have it.

use std::fmt;

/// Characters of an actor's name, at most.
pub const MAX_NAME_CHARS: usize = 64;
/// Bytes of one part of a key, at most.
pub const MAX_KEY_PART_BYTES: usize = 128;
/// Bytes of a serialized key, at most.
pub const MAX_KEY_BYTES: usize = 1024;

/// Why a name, a key or an id is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A name without characters or with too many.
    #[error("an actor's name has 1 to {MAX_NAME_CHARS} characters, this one has {0}")]
    NameLength(usize),
    /// A part with too many bytes.
    #[error("a key part has at most {MAX_KEY_PART_BYTES} bytes, part {index} has {observed}")]
    PartTooLong {
        /// Position of the part, from 0.
        index: usize,
        /// Its bytes.
        observed: usize,
    },
    /// A serialized form with too many bytes.
    #[error("a serialized key has at most {MAX_KEY_BYTES} bytes, this one has {0}")]
    KeyTooLong(usize),
    /// A part that is empty or holds a comma: the query form of addresses could not tell it from another key.
    #[error("key part {0} is empty or contains a comma, which addresses of the query form cannot tell apart")]
    Ambiguous(usize),
    /// Not 1 to 64 of `a`-`z` and `0`-`9`.
    #[error("an actor id is 1 to 64 lowercase letters and digits")]
    Id,
}

/// Checks an actor's name.
///
/// # Errors
/// [`KeyError::NameLength`] for an empty or overlong name.
pub fn check_name(name: &str) -> Result<(), KeyError> {
    match name.chars().count() {
        1..=MAX_NAME_CHARS => Ok(()),
        count => Err(KeyError::NameLength(count)),
    }
}

/// The key of an actor: any number of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub Vec<String>);

impl Key {
    /// A key of these parts.
    pub fn new<P: Into<String>>(parts: impl IntoIterator<Item = P>) -> Self {
        Self(parts.into_iter().map(Into::into).collect())
    }

    /// The parts.
    pub fn parts(&self) -> &[String] {
        &self.0
    }

    /// Checks lengths and, unless `allow_ambiguous`, that no part is empty or contains a comma.
    ///
    /// # Errors
    /// What is wrong with the first bad part, or with the whole.
    pub fn check(&self, allow_ambiguous: bool) -> Result<(), KeyError> {
        for (index, part) in self.0.iter().enumerate() {
            if part.len() > MAX_KEY_PART_BYTES {
                return Err(KeyError::PartTooLong {
                    index,
                    observed: part.len(),
                });
            }
            if !allow_ambiguous && (part.is_empty() || part.contains(',')) {
                return Err(KeyError::Ambiguous(index));
            }
        }
        match self.serialized().len() {
            ..=MAX_KEY_BYTES => Ok(()),
            observed => Err(KeyError::KeyTooLong(observed)),
        }
    }

    /// The serialized form.
    pub fn serialized(&self) -> String {
        if self.0.is_empty() {
            return "/".to_owned();
        }
        let mut text = String::with_capacity(self.0.iter().map(|part| part.len() + 1).sum());
        for (index, part) in self.0.iter().enumerate() {
            if index > 0 {
                text.push('/');
            }
            if part.is_empty() {
                text.push_str("\\0");
            }
            for character in part.chars() {
                if matches!(character, '\\' | '/') {
                    text.push('\\');
                }
                text.push(character);
            }
        }
        text
    }

    /// The key that a serialized form stands for. An empty text, which no client writes, is the key without parts.
    pub fn parse(serialized: &str) -> Self {
        if serialized.is_empty() || serialized == "/" {
            return Self::default();
        }
        let mut parts = Vec::new();
        let mut part = String::new();
        let mut characters = serialized.chars();
        while let Some(character) = characters.next() {
            match character {
                '/' => parts.push(std::mem::take(&mut part)),
                '\\' => match characters.next() {
                    Some('0') => part.clear(),
                    Some(escaped) => part.push(escaped),
                    None => part.push('\\'),
                },
                other => part.push(other),
            }
        }
        parts.push(part);
        Self(parts)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.serialized())
    }
}

/// The id of one actor: `[a-z0-9]{1,64}`, because one client puts it into paths unescaped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActorId(String);

impl ActorId {
    /// Checks and wraps an id.
    ///
    /// # Errors
    /// [`KeyError::Id`].
    pub fn new(id: impl Into<String>) -> Result<Self, KeyError> {
        let id = id.into();
        let fits = (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if fits { Ok(Self(id)) } else { Err(KeyError::Id) }
    }

    /// An id that spells 128 random bits, 32 hexadecimal digits.
    pub fn from_bits(bits: u128) -> Self {
        Self(format!("{bits:032x}"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn serialized_forms_of_clients() {
        for (parts, text) in [
            (&["a", "b/c"][..], r"a/b\/c"),
            (&["a,x", "", "b/c", r"d\e"], r"a,x/\0/b\/c/d\\e"),
            (&[], "/"),
            (&[""], r"\0"),
            (&["", ""], r"\0/\0"),
            (&["0"], "0"),
            (&[r"\0"], r"\\0"),
        ] {
            let key = Key::new(parts.iter().copied());
            assert_eq!(key.serialized(), text);
            assert_eq!(Key::parse(text), key);
        }
    }

    #[test]
    fn ambiguous_and_long_keys_are_refused() {
        assert_eq!(Key::new(["a", ""]).check(false), Err(KeyError::Ambiguous(1)));
        assert_eq!(Key::new(["a,b"]).check(false), Err(KeyError::Ambiguous(0)));
        assert_eq!(Key::new(["a,b", ""]).check(true), Ok(()));
        assert_eq!(Key::new(["x".repeat(128)]).check(false), Ok(()));
        assert_eq!(
            Key::new(["x".repeat(129)]).check(false),
            Err(KeyError::PartTooLong {
                index: 0,
                observed: 129
            })
        );
        assert_eq!(
            Key::new(vec!["/".repeat(100); 6]).check(false),
            Err(KeyError::KeyTooLong(1205))
        );
    }

    #[test]
    fn ids_are_lowercase_letters_and_digits() {
        assert!(ActorId::new("fe1ae08b8b82392c").is_ok());
        for bad in ["", "A", "a-b", "a/b", "é", &"a".repeat(65)] {
            assert_eq!(ActorId::new(bad), Err(KeyError::Id));
        }
        assert_eq!(ActorId::from_bits(1).as_str().len(), 32);
    }

    proptest! {
        #[test]
        fn every_key_survives(parts in prop::collection::vec(r"[a/\\0,é]{0,6}", 0..5)) {
            let key = Key(parts);
            prop_assert_eq!(Key::parse(&key.serialized()), key);
        }

        #[test]
        fn every_text_parses(text in r"[a/\\0]{0,12}") {
            let key = Key::parse(&text);
            prop_assert_eq!(Key::parse(&key.serialized()), key);
        }
    }
}
