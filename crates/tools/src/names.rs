//! Names of kits, tools and flags.

/// Longest name of a kit or tool in bytes: `agentos-{kit}` has to fit into a file name.
pub(crate) const NAME_MAX: usize = 200;
/// Longest description of a kit or tool in characters.
pub(crate) const DESCRIPTION_MAX: usize = 200;

/// Whether a kit or a tool can have this name: lower-case letters and digits, with single hyphens between.
pub(crate) fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.len() <= NAME_MAX && name.split('-').all(part)
}

/// The flag of a field, without its hyphens: `fullPage` is `full-page`, `maxURLCount` is `max-url-count`. None for a field whose
/// name cannot be one.
pub(crate) fn flag_of(field: &str) -> Option<String> {
    let chars: Vec<char> = field.chars().collect();
    let mut flag = String::with_capacity(field.len() + 4);
    for (at, &char) in chars.iter().enumerate() {
        let (before, after) = (at.checked_sub(1).map(|at| chars[at]), chars.get(at + 1));
        match char {
            'A'..='Z' => {
                let starts_word = before.is_some_and(|before| before.is_ascii_lowercase() || before.is_ascii_digit());
                let ends_shout = before.is_some_and(|before| before.is_ascii_uppercase())
                    && after.is_some_and(char::is_ascii_lowercase);
                if starts_word || ends_shout {
                    flag.push('-');
                }
                flag.push(char.to_ascii_lowercase());
            }
            'a'..='z' | '0'..='9' | '-' => flag.push(char),
            '_' => flag.push('-'),
            _ => return None,
        }
    }
    let well_formed = !flag.is_empty() && !flag.starts_with('-') && !flag.ends_with('-');
    well_formed.then_some(flag)
}

/// At most `max` bytes of a text, whole characters, with a mark where it was cut.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = (0..=max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_with_single_hyphens() {
        for good in ["a", "weather", "7zip", "get-page-2"] {
            assert!(is_name(good), "{good}");
        }
        let long = "x".repeat(NAME_MAX + 1);
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "a b", "ü", "a/b", &long] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn fields_become_flags() {
        for (field, flag) in [
            ("city", "city"),
            ("fullPage", "full-page"),
            ("maxURLCount", "max-url-count"),
            ("URL", "url"),
            ("x2Y", "x2-y"),
            ("snake_case", "snake-case"),
            ("kebab-case", "kebab-case"),
        ] {
            assert_eq!(flag_of(field).as_deref(), Some(flag), "{field}");
        }
        for field in ["", "_x", "a.b", "a b", "größe", "$ref"] {
            assert_eq!(flag_of(field), None, "{field}");
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("größe", 3), "gr…");
        assert_eq!(cut("ab", 2), "ab");
    }
}
