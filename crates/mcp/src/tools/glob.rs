//! Patterns of paths.
//!
//! A pattern is made of names between slashes; `**` stands for any number of them. Within a name matching goes back to the
//! last `*` only, and between names a row of a table is kept, so that no pattern takes longer than its length times that of
//! the path.

/// Texts that the braces of a pattern may stand for.
const ALTERNATIVES_MAX: usize = 64;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(Vec<Vec<Part>>);

/// What stands between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`
    Any,
    Name(Vec<Atom>),
}

/// A piece of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Atom {
    /// `*`
    Any,
    /// `?`
    One,
    Char(char),
    /// `[a-z]`, `[!a-z]`
    Class(bool, Vec<(char, char)>),
}

impl Glob {
    /// Reads a pattern, or says what is wrong with it.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        let mut texts = vec![String::new()];
        expand(pattern, &mut texts)?;
        texts.iter().map(|text| parts(text)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a path without a slash at its beginning matches.
    pub(super) fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        self.0.iter().any(|parts| matches(parts, &names))
    }
}

/// Appends what braces stand for to each of the texts.
fn expand(pattern: &str, texts: &mut Vec<String>) -> Result<(), String> {
    let Some((before, rest)) = pattern.split_once('{') else {
        texts.iter_mut().for_each(|text| text.push_str(pattern));
        return Ok(());
    };
    let (inside, after) = rest.split_once('}').ok_or("{ without its }")?;
    if inside.contains('{') {
        return Err("braces within braces".to_owned());
    }
    let choices: Vec<&str> = inside.split(',').collect();
    if texts.len().saturating_mul(choices.len()) > ALTERNATIVES_MAX {
        return Err(format!("braces stand for more than {ALTERNATIVES_MAX} texts"));
    }
    let with = |text: &String| {
        choices
            .iter()
            .map(move |choice| format!("{text}{before}{choice}"))
            .collect::<Vec<_>>()
    };
    *texts = texts.iter().flat_map(with).collect();
    expand(after, texts)
}

fn parts(pattern: &str) -> Result<Vec<Part>, String> {
    let anywhere = !pattern.contains('/');
    let names = pattern.trim_start_matches('/').split('/');
    let part = |name: &str| match name {
        "**" => Ok(Part::Any),
        "" | "." | ".." => Err(format!("{name:?} is no name, in {pattern:?}")),
        name => atoms(name).map(Part::Name),
    };
    let lead = anywhere.then_some(Ok(Part::Any));
    lead.into_iter().chain(names.map(part)).collect()
}

fn atoms(name: &str) -> Result<Vec<Atom>, String> {
    let mut atoms = Vec::new();
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        atoms.push(match c {
            '*' => Atom::Any,
            '?' => Atom::One,
            '[' => {
                let (inside, rest) = class(chars.as_str()).ok_or_else(|| format!("[ without its ], in {name:?}"))?;
                chars = rest.chars();
                inside
            }
            '\\' => Atom::Char(chars.next().ok_or("a \\ at the end of a name")?),
            c => Atom::Char(c),
        });
    }
    Ok(atoms)
}

/// A class of characters after its bracket, and what follows.
fn class(text: &str) -> Option<(Atom, &str)> {
    let (negated, text) = match text.strip_prefix(['!', '^']) {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let first = text.chars().next()?.len_utf8();
    // A bracket that stands first is a character of the class.
    let end = text.get(first..)?.find(']')? + first;
    let (inside, rest) = (text.get(..end)?, text.get(end + 1..)?);
    let chars: Vec<char> = inside.chars().collect();
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(low) = chars.get(at) {
        match (chars.get(at + 1), chars.get(at + 2)) {
            (Some('-'), Some(high)) => {
                ranges.push((*low, *high));
                at += 3;
            }
            _ => {
                ranges.push((*low, *low));
                at += 1;
            }
        }
    }
    Some((Atom::Class(negated, ranges), rest))
}

fn matches(parts: &[Part], names: &[&str]) -> bool {
    // reached[n]: the parts so far match the first n names.
    let mut reached = vec![false; names.len() + 1];
    reached[0] = true;
    for part in parts {
        match part {
            Part::Any => {
                let first = reached.iter().position(|reached| *reached).unwrap_or(reached.len());
                reached.iter_mut().skip(first).for_each(|reached| *reached = true);
            }
            Part::Name(atoms) => {
                for at in (0..names.len()).rev() {
                    reached[at + 1] = reached[at] && fits(atoms, names[at]);
                }
                reached[0] = false;
            }
        }
    }
    // `**` at the end stands for what is in a directory, not for the directory.
    reached[names.len()] && !(parts.last() == Some(&Part::Any) && names.is_empty())
}

fn fits(atoms: &[Atom], name: &str) -> bool {
    let chars: Vec<char> = name.chars().collect();
    let (mut atom, mut at) = (0, 0);
    // The last star, and where what it stands for ends for now.
    let mut star: Option<(usize, usize)> = None;
    while at < chars.len() {
        match atoms.get(atom) {
            Some(Atom::Any) => {
                star = Some((atom, at));
                atom += 1;
                continue;
            }
            Some(one) if one.is(chars[at]) => {
                atom += 1;
                at += 1;
                continue;
            }
            _ => {}
        }
        let Some((back, end)) = star else { return false };
        star = Some((back, end + 1));
        (atom, at) = (back + 1, end + 1);
    }
    atoms
        .get(atom..)
        .unwrap_or_default()
        .iter()
        .all(|rest| *rest == Atom::Any)
}

impl Atom {
    fn is(&self, c: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Char(own) => *own == c,
            Self::Class(negated, ranges) => ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_paths() {
        for (pattern, path, expected) in [
            ("*.rs", "a.rs", true),
            ("*.rs", "src/deep/a.rs", true),
            ("/*.rs", "src/a.rs", false),
            ("src/*.rs", "src/a.rs", true),
            ("src/*.rs", "src/deep/a.rs", false),
            ("src/**/*.rs", "src/a.rs", true),
            ("src/**/*.rs", "src/x/y/a.rs", true),
            ("**/test", "test", true),
            ("**/x/**", "a/x/b/c", true),
            ("**/x/**", "a/b", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]x", "]x", true),
            ("*.{md,txt}", "docs/a.txt", true),
            ("*.{md,txt}", "docs/a.rs", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("*a*b*c", "xaybzc", true),
            ("*a*b*c", "xaybz", false),
            ("\u{20ac}*", "\u{20ac}uro", true),
        ] {
            assert_eq!(Glob::new(pattern).unwrap().matches(path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn wrong_patterns_are_refused() {
        for (pattern, problem) in [
            ("{a", "without its }"),
            ("{{a},b}", "within braces"),
            ("[a", "without its ]"),
            ("a//b", "is no name"),
            ("../x", "is no name"),
            ("x\\", "at the end"),
            ("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", "more than 64"),
        ] {
            let refused = Glob::new(pattern).unwrap_err();
            assert!(refused.contains(problem), "{pattern}: {refused}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        let glob = Glob::new(&"**/*a".repeat(200).replace("a**", "a/**")).unwrap();
        assert!(!glob.matches(&["a"; 100].join("/")));
        let stars = Glob::new(&"*a".repeat(400)).unwrap();
        assert!(!stars.matches(&"a".repeat(399)));
    }
}
