//! The patterns of grants (security.md section 1.4): paths, commands, names.

/// Whether a path matches a path pattern: `*` and `?` within a segment, `**` for any segments.
pub(crate) fn path(pattern: &str, path: &str) -> bool {
    let segments = |text: &str| -> Vec<String> {
        text.split('/')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    if pattern == "*" || pattern == "**" {
        return true;
    }
    // What climbs cannot be judged by its text.
    if path.split('/').any(|part| part == ".." || part == ".") || !path.starts_with('/') || !pattern.starts_with('/') {
        return false;
    }
    matched(
        &segments(pattern),
        &segments(path),
        |pattern, segment| pattern == "**" || text(pattern, segment),
        |pattern| pattern == "**",
    )
}

/// Whether a text matches a glob in which `*` matches anything.
pub(crate) fn text(pattern: &str, given: &str) -> bool {
    let (pattern, given): (Vec<char>, Vec<char>) = (pattern.chars().collect(), given.chars().collect());
    matched(&pattern, &given, |p, c| *p == '?' || *p == '*' || p == c, |p| *p == '*')
}

/// Matches a sequence; `any` says which elements of the pattern stand for any number. Its time is the product of both
/// lengths at worst.
fn matched<P, T>(pattern: &[P], given: &[T], one: impl Fn(&P, &T) -> bool, any: impl Fn(&P) -> bool) -> bool {
    let (mut p, mut g) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), given.get(g)) {
            (Some(element), _) if any(element) => {
                again = Some((p, g));
                p += 1;
            }
            (Some(element), Some(item)) if one(element, item) => {
                p += 1;
                g += 1;
            }
            (None, None) => return true,
            _ => match &mut again {
                Some((star, from)) if *from < given.len() => {
                    *from += 1;
                    p = *star + 1;
                    g = *from;
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_policies_mean() {
        for (pattern, given, expected) in [
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", false),
            ("/a/**", "/a", true),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/ab", false),
            ("/a/**/z", "/a/z", true),
            ("/a/**/z", "/a/b/c/z", true),
            ("/a/**", "/a/../etc/passwd", false),
            ("/a/?", "/a/b", true),
            ("/a", "a", false),
            ("*", "/x/y", true),
        ] {
            assert_eq!(path(pattern, given), expected, "{pattern} {given}");
        }
        for (pattern, given, expected) in [
            ("npm *", "npm run x/y", true),
            ("npm", "npm run", false),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?", "é", true),
        ] {
            assert_eq!(text(pattern, given), expected, "{pattern} {given}");
        }
        assert!(!text(&"*a".repeat(200), &"a".repeat(100)));
    }
}
