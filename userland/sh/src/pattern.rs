//! Shell patterns: `* ? [...]` and, with `extglob`, `?( *( +( @( !(`.
//!
//! A pattern is compiled to a tree and matched over characters: stars by going on from the last one, extended patterns
//! by backtracking. The steps are limited, so that a hostile pattern costs bounded time.

/// Most steps of one match.
const MAX_STEPS: u64 = 50_000_000;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    nodes: Vec<Node>,
    fold: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Char(char),
    Any,
    Star,
    Set(Set),
    /// Kind (`? * + @ !`) and alternatives.
    Ext(char, Vec<Vec<Node>>),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Set {
    negated: bool,
    ranges: Vec<(char, char)>,
    classes: Vec<String>,
}

/// Whether unquoted text can be more than itself as a pattern.
pub fn is_special(text: &str, extglob: bool) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().any(|(i, b)| match b {
        b'*' | b'?' => true,
        b'[' => bytes[i + 1..].contains(&b']'),
        b'+' | b'@' | b'!' => extglob && bytes.get(i + 1) == Some(&b'('),
        _ => false,
    })
}

/// Text with every special character escaped, to stand for itself in a pattern.
pub fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        if matches!(
            c,
            '*' | '?' | '[' | ']' | '\\' | '(' | ')' | '|' | '+' | '@' | '!' | '-' | '^'
        ) {
            out.push('\\');
        }
        out.push(c);
    }
}

impl Pattern {
    /// Compiles a pattern in which a backslash quotes.
    pub fn new(text: &str, extglob: bool, fold: bool) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut parser = Compiler {
            chars: &chars,
            pos: 0,
            extglob,
            depth: 0,
        };
        Self {
            nodes: parser.sequence(false),
            fold,
        }
    }

    /// The text it stands for, if it holds nothing special.
    pub fn literal(&self) -> Option<String> {
        self.nodes
            .iter()
            .map(|node| match node {
                Node::Char(c) if !self.fold => Some(*c),
                _ => None,
            })
            .collect()
    }

    /// Whether it begins with a dot as such.
    pub fn begins_with_dot(&self) -> bool {
        begins_with_dot(&self.nodes)
    }

    /// Whether it matches all of a text.
    pub fn matches(&self, text: &str) -> bool {
        let chars: Vec<char> = text.chars().collect();
        self.matches_chars(&chars)
    }

    /// As [`Pattern::matches`], on characters.
    pub fn matches_chars(&self, chars: &[char]) -> bool {
        let mut steps = 0;
        let mut m = Matcher {
            text: chars,
            fold: self.fold,
            steps: &mut steps,
        };
        m.run(&Cont::new(&self.nodes), 0)
    }

    /// Characters of the shortest or longest prefix that it matches.
    pub fn prefix(&self, chars: &[char], longest: bool) -> Option<usize> {
        pick(0..=chars.len(), longest, |n| self.matches_chars(&chars[..n]))
    }

    /// Where the shortest or longest suffix that it matches begins.
    pub fn suffix(&self, chars: &[char], longest: bool) -> Option<usize> {
        pick(0..=chars.len(), !longest, |n| self.matches_chars(&chars[n..]))
    }

    /// Characters of the longest prefix, quickly when the pattern has a fixed length.
    pub fn longest_prefix(&self, chars: &[char]) -> Option<usize> {
        if self.nodes.iter().all(|n| !matches!(n, Node::Star | Node::Ext(..))) {
            let n = self.nodes.len();
            return (n <= chars.len() && self.matches_chars(&chars[..n])).then_some(n);
        }
        self.prefix(chars, true)
    }
}

fn pick(range: std::ops::RangeInclusive<usize>, from_end: bool, mut f: impl FnMut(usize) -> bool) -> Option<usize> {
    if from_end {
        range.rev().find(|n| f(*n))
    } else {
        range.into_iter().find(|n| f(*n))
    }
}

fn begins_with_dot(nodes: &[Node]) -> bool {
    match nodes.first() {
        Some(Node::Char('.')) => true,
        Some(Node::Ext(kind, alternatives)) if *kind != '!' => alternatives.iter().any(|a| begins_with_dot(a)),
        _ => false,
    }
}

struct Compiler<'a> {
    chars: &'a [char],
    pos: usize,
    extglob: bool,
    depth: usize,
}

impl Compiler<'_> {
    fn sequence(&mut self, inside: bool) -> Vec<Node> {
        let mut nodes = Vec::new();
        while let Some(&c) = self.chars.get(self.pos) {
            let next = self.chars.get(self.pos + 1);
            if inside && matches!(c, '|' | ')') {
                break;
            }
            if self.extglob && next == Some(&'(') && "?*+@!".contains(c) && self.depth < 50 && self.is_closed() {
                self.pos += 2;
                nodes.push(self.extended(c));
                continue;
            }
            self.pos += 1;
            nodes.push(match c {
                '*' => {
                    if nodes.last() == Some(&Node::Star) {
                        continue;
                    }
                    Node::Star
                }
                '?' => Node::Any,
                '[' => match self.set() {
                    Some(set) => Node::Set(set),
                    None => Node::Char('['),
                },
                '\\' => match next {
                    Some(&c) => {
                        self.pos += 1;
                        Node::Char(c)
                    }
                    None => Node::Char('\\'),
                },
                c => Node::Char(c),
            });
        }
        nodes
    }

    fn is_closed(&self) -> bool {
        let mut depth = 0usize;
        let mut rest = self.chars[self.pos + 1..].iter();
        while let Some(c) = rest.next() {
            match c {
                '\\' => {
                    rest.next();
                }
                '(' => depth += 1,
                ')' => {
                    depth -= 1;
                    if depth == 0 {
                        return true;
                    }
                }
                _ => {}
            }
        }
        false
    }

    fn extended(&mut self, kind: char) -> Node {
        self.depth += 1;
        let mut alternatives = Vec::new();
        loop {
            alternatives.push(self.sequence(true));
            let end = self.chars.get(self.pos).copied();
            self.pos += 1;
            if end != Some('|') {
                break;
            }
        }
        self.depth -= 1;
        Node::Ext(kind, alternatives)
    }

    /// A bracket expression after its `[`; `None`, with nothing taken, if it is not closed.
    fn set(&mut self) -> Option<Set> {
        let start = self.pos;
        let set = self.set_inner();
        if set.is_none() {
            self.pos = start;
        }
        set
    }

    fn set_inner(&mut self) -> Option<Set> {
        let mut set = Set::default();
        if matches!(self.chars.get(self.pos), Some('!' | '^')) {
            set.negated = true;
            self.pos += 1;
        }
        let first = self.pos;
        loop {
            let c = *self.chars.get(self.pos)?;
            if c == ']' && self.pos > first {
                self.pos += 1;
                return Some(set);
            }
            if c == '['
                && matches!(self.chars.get(self.pos + 1), Some(':' | '.' | '='))
                && let Some(name) = self.class()
            {
                match name {
                    Ok(class) => set.classes.push(class),
                    Err(c) => set.ranges.push((c, c)),
                }
                continue;
            }
            let low = self.set_char()?;
            let dash =
                self.chars.get(self.pos) == Some(&'-') && self.chars.get(self.pos + 1).is_some_and(|c| *c != ']');
            if dash {
                self.pos += 1;
                let high = self.set_char()?;
                set.ranges.push((low, high));
            } else {
                set.ranges.push((low, low));
            }
        }
    }

    fn set_char(&mut self) -> Option<char> {
        let mut c = *self.chars.get(self.pos)?;
        if c == '\\' {
            self.pos += 1;
            c = *self.chars.get(self.pos)?;
        }
        self.pos += 1;
        Some(c)
    }

    /// `[:name:]`, or the character of `[.c.]` and `[=c=]`.
    fn class(&mut self) -> Option<Result<String, char>> {
        let kind = self.chars[self.pos + 1];
        let rest = &self.chars[self.pos + 2..];
        let len = rest.windows(2).position(|w| w == [kind, ']'])?;
        let name: String = rest[..len].iter().collect();
        self.pos += len + 4;
        Some(if kind == ':' {
            Ok(name)
        } else {
            Err(name.chars().next()?)
        })
    }
}

/// What is still to be matched: a sequence, then what follows it.
#[derive(Clone, Copy)]
struct Cont<'a> {
    nodes: &'a [Node],
    then: Option<&'a Cont<'a>>,
    /// After `nodes`, this repetition may come again (from a position beyond the given one).
    repeat: Option<(&'a [Vec<Node>], usize)>,
}

impl<'a> Cont<'a> {
    fn new(nodes: &'a [Node]) -> Self {
        Self {
            nodes,
            then: None,
            repeat: None,
        }
    }
}

struct Matcher<'a> {
    text: &'a [char],
    fold: bool,
    steps: &'a mut u64,
}

impl Matcher<'_> {
    /// Matches what is left. Only the last star is gone back to: an earlier one could not do better.
    fn run(&mut self, cont: &Cont<'_>, mut at: usize) -> bool {
        let mut nodes = cont.nodes;
        let mut star: Option<(&[Node], usize)> = None;
        loop {
            *self.steps += 1;
            if *self.steps > MAX_STEPS {
                return false;
            }
            let fits = match nodes.split_first() {
                None if self.after(cont, at) => return true,
                None => false,
                Some((Node::Star, rest)) => {
                    if rest.is_empty() && cont.then.is_none() && cont.repeat.is_none() {
                        return true;
                    }
                    star = Some((rest, at));
                    nodes = rest;
                    continue;
                }
                Some((Node::Ext(kind, alternatives), rest)) => {
                    let next = Cont { nodes: rest, ..*cont };
                    if self.extended(*kind, alternatives, &next, at) {
                        return true;
                    }
                    false
                }
                Some((single, rest)) => {
                    let fits = self.text.get(at).is_some_and(|c| self.single(single, *c));
                    nodes = rest;
                    fits
                }
            };
            if fits {
                at += 1;
                continue;
            }
            let Some((after, from)) = &mut star else { return false };
            if *from >= self.text.len() {
                return false;
            }
            *from += 1;
            nodes = after;
            at = *from;
        }
    }

    fn after(&mut self, cont: &Cont<'_>, at: usize) -> bool {
        if let Some((alternatives, began)) = cont.repeat
            && at > began
            && let Some(then) = cont.then
            && self.repeat(alternatives, then, at)
        {
            return true;
        }
        match cont.then {
            Some(then) => self.run(then, at),
            None => at == self.text.len(),
        }
    }

    fn repeat(&mut self, alternatives: &[Vec<Node>], then: &Cont<'_>, at: usize) -> bool {
        alternatives.iter().any(|nodes| {
            let cont = Cont {
                nodes,
                then: Some(then),
                repeat: Some((alternatives, at)),
            };
            self.run(&cont, at)
        })
    }

    fn extended(&mut self, kind: char, alternatives: &[Vec<Node>], next: &Cont<'_>, at: usize) -> bool {
        match kind {
            '?' | '@' => {
                let once = alternatives.iter().any(|nodes| {
                    let cont = Cont {
                        nodes,
                        then: Some(next),
                        repeat: None,
                    };
                    self.run(&cont, at)
                });
                once || kind == '?' && self.run(next, at)
            }
            '*' => self.repeat(alternatives, next, at) || self.run(next, at),
            '+' => self.repeat(alternatives, next, at),
            _ => (at..=self.text.len()).any(|end| {
                let inside = alternatives.iter().any(|nodes| {
                    let mut m = Matcher {
                        text: &self.text[at..end],
                        fold: self.fold,
                        steps: self.steps,
                    };
                    m.run(&Cont::new(nodes), 0)
                });
                !inside && self.run(next, end)
            }),
        }
    }

    fn single(&self, node: &Node, c: char) -> bool {
        match node {
            Node::Any => true,
            Node::Char(p) => *p == c || self.fold && fold(*p) == fold(c),
            Node::Set(set) => {
                let found = set.holds(c) || self.fold && (set.holds(fold(c)) || set.holds(upper(c)));
                found != set.negated
            }
            Node::Star | Node::Ext(..) => false,
        }
    }
}

impl Set {
    fn holds(&self, c: char) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&c))
            || self.classes.iter().any(|name| in_class(name, c))
    }
}

fn fold(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn upper(c: char) -> char {
    c.to_uppercase().next().unwrap_or(c)
}

/// Whether a character is of a POSIX class.
pub fn in_class(name: &str, c: char) -> bool {
    match name {
        "alpha" => c.is_alphabetic(),
        "digit" => c.is_ascii_digit(),
        "alnum" => c.is_alphanumeric(),
        "upper" => c.is_uppercase(),
        "lower" => c.is_lowercase(),
        "space" => c.is_whitespace(),
        "blank" => c == ' ' || c == '\t',
        "punct" => c.is_ascii_punctuation(),
        "cntrl" => c.is_control(),
        "print" => !c.is_control(),
        "graph" => !c.is_control() && !c.is_whitespace(),
        "xdigit" => c.is_ascii_hexdigit(),
        "word" => c.is_alphanumeric() || c == '_',
        "ascii" => c.is_ascii(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern, true, false).matches(text)
    }

    #[test]
    fn plain_patterns() {
        for (pattern, text, expected) in [
            ("*.rs", "main.rs", true),
            ("a*b*c", "aXbYbZc", true),
            ("?b", "ab", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[[:digit:]]*", "7up", true),
            ("[]a]", "]", true),
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn extended_patterns() {
        for (pattern, text, expected) in [
            ("@(a|b)c", "bc", true),
            ("+(ab)", "ababab", true),
            ("+(ab)", "", false),
            ("*(ab)", "", true),
            ("?(x)y", "xy", true),
            ("!(*.txt)", "a.rs", true),
            ("!(*.txt)", "a.txt", false),
            ("*.!(txt|md)", "a.rs", true),
            ("+([0-9])", "0123", true),
            ("a@(b|c*(d))e", "acdde", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn prefixes_and_suffixes() {
        let chars: Vec<char> = "a/b/c".chars().collect();
        let pattern = Pattern::new("*/", false, false);
        assert_eq!(
            (pattern.prefix(&chars, false), pattern.prefix(&chars, true)),
            (Some(2), Some(4))
        );
        let pattern = Pattern::new("/*", false, false);
        assert_eq!(
            (pattern.suffix(&chars, false), pattern.suffix(&chars, true)),
            (Some(3), Some(1))
        );
    }
}
