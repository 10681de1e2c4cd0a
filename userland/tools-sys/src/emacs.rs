//! Regular expressions of `find -regex`, in the syntaxes that `-regextype` names, for a whole path.

use regex_automata::meta::Regex;
use regex_automata::util::syntax;

/// A syntax of regular expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Operators `* + ?`, groups and alternatives with a backslash, no intervals.
    Emacs,
    /// POSIX basic with GNU's `\+ \? \|`.
    Basic,
    /// POSIX extended.
    Extended,
}

impl Syntax {
    /// The syntax of a name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "emacs" | "findutils-default" => Self::Emacs,
            "posix-basic" | "posix-minimal-basic" | "ed" | "sed" | "grep" => Self::Basic,
            "posix-extended" | "posix-egrep" | "egrep" | "awk" | "gnu-awk" | "posix-awk" => Self::Extended,
            _ => return None,
        })
    }
}

/// Largest automaton, in bytes.
const LIMIT: usize = 10 << 20;

/// Compiles an expression that has to match the whole of a text.
pub(crate) fn compile(pattern: &str, syntax: Syntax, fold: bool) -> Result<Regex, String> {
    let inner = translate(pattern, syntax)?;
    Regex::builder()
        .configure(Regex::config().nfa_size_limit(Some(LIMIT)).utf8_empty(false))
        .syntax(
            syntax::Config::new()
                .case_insensitive(fold)
                .dot_matches_new_line(true)
                .utf8(false),
        )
        .build(&format!("\\A(?:{inner})\\z"))
        .map_err(|_| format!("failed to compile regular expression '{pattern}'"))
}

/// Compiles an expression that separates records, in the syntax of Emacs.
pub(crate) fn separator(pattern: &str) -> Result<Regex, String> {
    searched(pattern, Syntax::Emacs)
}

/// Compiles a basic expression that is searched for.
pub(crate) fn search(pattern: &str) -> Result<Regex, String> {
    searched(pattern, Syntax::Basic)
}

fn searched(pattern: &str, kind: Syntax) -> Result<Regex, String> {
    let inner = translate(pattern, kind)?;
    Regex::builder()
        .configure(Regex::config().nfa_size_limit(Some(LIMIT)).utf8_empty(false))
        .syntax(syntax::Config::new().multi_line(true).utf8(false))
        .build(&inner)
        .map_err(|_| format!("failed to compile regular expression '{pattern}'"))
}

/// Compiles an extended expression that is searched for.
pub(crate) fn extended(pattern: &str, fold: bool) -> Result<Regex, String> {
    let inner = translate(pattern, Syntax::Extended)?;
    Regex::builder()
        .configure(Regex::config().nfa_size_limit(Some(LIMIT)).utf8_empty(false))
        .syntax(syntax::Config::new().case_insensitive(fold).utf8(false))
        .build(&inner)
        .map_err(|_| format!("failed to compile regular expression '{pattern}'"))
}

fn translate(pattern: &str, syntax: Syntax) -> Result<String, String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::new();
    let mut depth = 0_usize;
    let mut at = 0;
    // Whether something stands before that an operator could repeat.
    let mut atom = false;
    while let Some(&c) = chars.get(at) {
        at += 1;
        let (escaped, c) = match (c, chars.get(at)) {
            ('\\', Some(&next)) => {
                at += 1;
                (true, next)
            }
            ('\\', None) => return Err("Trailing backslash".to_owned()),
            _ => (false, c),
        };
        let grouping = escaped != (syntax == Syntax::Extended);
        let repeats = match syntax {
            Syntax::Basic => escaped,
            _ => !escaped,
        };
        match c {
            '(' if grouping => {
                depth += 1;
                out.push('(');
                atom = false;
            }
            ')' if grouping && (depth > 0 || syntax != Syntax::Extended) => {
                depth = depth.checked_sub(1).ok_or("Unmatched ) or \\)")?;
                out.push(')');
                atom = true;
            }
            '|' if grouping => {
                out.push('|');
                atom = false;
            }
            '*' if !escaped && atom => out.push('*'),
            '+' | '?' if repeats && atom => out.push(c),
            '{' if grouping && syntax != Syntax::Emacs && atom => at = interval(&chars, at, syntax, &mut out)?,
            '.' if !escaped => {
                out.push('.');
                atom = true;
            }
            '[' if !escaped => {
                at = bracket(&chars, at, &mut out)?;
                atom = true;
            }
            '^' if !escaped && (!atom || syntax == Syntax::Extended) => out.push('^'),
            '$' if !escaped && ends(&chars, at, syntax) => out.push('$'),
            'w' | 'W' | 's' | 'S' if escaped => {
                out.push('\\');
                out.push(c);
                atom = true;
            }
            'b' | 'B' if escaped => out.push_str(if c == 'b' { "\\b" } else { "\\B" }),
            '<' if escaped => out.push_str("\\b{start}"),
            '>' if escaped => out.push_str("\\b{end}"),
            '`' if escaped => out.push_str("\\A"),
            '\'' if escaped => out.push_str("\\z"),
            '1'..='9' if escaped => return Err("back-references are not supported in -regex".to_owned()),
            c => {
                literal(c, &mut out);
                atom = true;
            }
        }
    }
    if depth > 0 {
        Err("Unmatched ( or \\(".to_owned())
    } else {
        Ok(out)
    }
}

fn literal(c: char, out: &mut String) {
    if c.is_ascii()
        && !c.is_ascii_alphanumeric()
        && !c.is_ascii_control()
        && c != '<'
        && c != '>'
        && c != ' '
        && c != '/'
    {
        out.push('\\');
    }
    out.push(c);
}

/// Whether a dollar sign before `at` is an anchor.
fn ends(chars: &[char], at: usize, syntax: Syntax) -> bool {
    match (chars.get(at), chars.get(at + 1)) {
        (None, _) => true,
        (Some('|' | ')'), _) => syntax == Syntax::Extended,
        (Some('\\'), Some('|' | ')')) => syntax != Syntax::Extended,
        _ => syntax == Syntax::Extended,
    }
}

fn interval(chars: &[char], at: usize, syntax: Syntax, out: &mut String) -> Result<usize, String> {
    let close = chars[at..].iter().position(|c| *c == '}').ok_or("Unmatched { or \\{")?;
    let mut text: String = chars[at..at + close].iter().collect();
    if syntax == Syntax::Basic {
        text = text.strip_suffix('\\').ok_or("Unmatched \\{")?.to_owned();
    }
    let valid = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == ',');
    if !valid {
        return Err("Invalid content of \\{\\}".to_owned());
    }
    let text = if text.starts_with(',') {
        format!("0{text}")
    } else {
        text
    };
    out.push_str(&format!("{{{text}}}"));
    Ok(at + close + 1)
}

/// Copies a bracket expression, whose content has no escapes in POSIX and has them in the target.
fn bracket(chars: &[char], mut at: usize, out: &mut String) -> Result<usize, String> {
    out.push('[');
    if chars.get(at) == Some(&'^') {
        out.push('^');
        at += 1;
    }
    let start = at;
    loop {
        match chars.get(at) {
            None => return Err("Unmatched [, [^, [:, [., or [=".to_owned()),
            Some(']') if at > start => {
                out.push(']');
                return Ok(at + 1);
            }
            Some('[') if chars.get(at + 1) == Some(&':') => {
                let rest: String = chars[at..].iter().collect();
                let end = rest.find(":]").ok_or("Unmatched [:")?;
                let class = &rest[..end + 2];
                out.push_str(class);
                at += class.chars().count();
            }
            Some('-') if at > start && chars.get(at + 1).is_some_and(|next| *next != ']') => {
                out.push('-');
                at += 1;
            }
            Some(&c) => {
                if !c.is_alphanumeric()
                    && c.is_ascii()
                    && c != ' '
                    && c != '/'
                    && c != '<'
                    && c != '>'
                    && !c.is_ascii_control()
                {
                    out.push('\\');
                }
                out.push(c);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_syntax_has_its_operators() {
        for (syntax, pattern, text, expected) in [
            (Syntax::Emacs, ".*\\.\\(c\\|h\\)", "./a.c", true),
            (Syntax::Emacs, "./a+", "./aaa", true),
            (Syntax::Emacs, ".*b", "./abc", false),
            (Syntax::Emacs, "./[^/]*", "./a/b", false),
            (Syntax::Emacs, "a{2}", "aa", false),
            (Syntax::Basic, "./a\\+\\.[ch]", "./aa.h", true),
            (Syntax::Basic, "./a+", "./a+", true),
            (Syntax::Basic, "a\\{2\\}", "aa", true),
            (Syntax::Extended, ".*\\.(c|h)$", "./a.c", true),
            (Syntax::Extended, "a{2,3}", "aaa", true),
            (Syntax::Extended, "[]x-]+", "]-x", true),
            (Syntax::Extended, "[[:digit:]]+", "42", true),
        ] {
            let regex = compile(pattern, syntax, false).unwrap();
            assert_eq!(regex.is_match(text), expected, "{pattern} {text}");
        }
        assert!(compile("a\\(", Syntax::Emacs, false).is_err());
        assert!(compile(".*/A", Syntax::Emacs, true).unwrap().is_match("./a"));
    }
}
