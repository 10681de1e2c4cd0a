//! POSIX extended regular expressions, for `=~`.
//!
//! A backtracking matcher over characters. Where alternatives compete it keeps the longest match, as POSIX asks; its
//! steps are limited, so that a hostile expression costs bounded time.

use crate::pattern::in_class;

/// Most steps of one search.
const MAX_STEPS: u64 = 5_000_000;
/// Deepest nesting of the matcher, whose stack is the guest's.
const MAX_DEPTH: u32 = 1_000;
/// Largest count in braces.
const MAX_REPEAT: u32 = 32_767;

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Regex {
    node: Node,
    groups: usize,
    fold: bool,
    alternation: bool,
}

#[derive(Debug, Clone)]
enum Node {
    Empty,
    Char(char),
    Any,
    Begin,
    End,
    WordEdge(bool),
    Set { negated: bool, items: Vec<Item> },
    Cat(Vec<Node>),
    Alt(Vec<Node>),
    Group(usize, Box<Node>),
    Repeat(Box<Node>, u32, Option<u32>),
}

#[derive(Debug, Clone)]
enum Item {
    Range(char, char),
    Class(String),
    NotClass(String),
}

/// Spans of the match and of its groups, in characters.
pub type Captures = Vec<Option<(usize, usize)>>;

impl Regex {
    /// Compiles an expression; `None` if it is not one.
    pub fn new(text: &str, fold: bool) -> Option<Self> {
        let chars: Vec<char> = text.chars().collect();
        let mut p = Compiler {
            chars: &chars,
            pos: 0,
            groups: 0,
            depth: 0,
            alternation: false,
        };
        let node = p.alternatives()?;
        (p.pos == chars.len()).then_some(Self {
            node,
            groups: p.groups,
            fold,
            alternation: p.alternation,
        })
    }

    /// Searches a text.
    pub fn find(&self, text: &[char]) -> Option<Captures> {
        let mut m = Matcher {
            text,
            fold: self.fold,
            steps: 0,
            depth: 0,
            caps: vec![None; self.groups + 1],
            best: None,
            longest: self.alternation,
        };
        for start in 0..=text.len() {
            m.caps.fill(None);
            m.caps[0] = Some((start, start));
            let done = m.node(&self.node, start, &mut |m, end| {
                m.caps[0] = Some((start, end));
                if !m.longest {
                    m.best = Some(m.caps.clone());
                    return true;
                }
                let longer = m.best.as_ref().is_none_or(|b| b[0].is_some_and(|(_, e)| end > e));
                if longer {
                    m.best = Some(m.caps.clone());
                }
                end == m.text.len()
            });
            if done || m.best.is_some() || m.steps > MAX_STEPS {
                return m.best;
            }
        }
        None
    }
}

struct Compiler<'a> {
    chars: &'a [char],
    pos: usize,
    groups: usize,
    depth: usize,
    alternation: bool,
}

impl Compiler<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.pos).copied()
    }

    fn alternatives(&mut self) -> Option<Node> {
        self.depth += 1;
        if self.depth > 100 {
            return None;
        }
        let mut all = vec![self.sequence()?];
        while self.peek() == Some('|') {
            self.pos += 1;
            self.alternation = true;
            all.push(self.sequence()?);
        }
        self.depth -= 1;
        if all.len() == 1 {
            all.pop()
        } else {
            Some(Node::Alt(all))
        }
    }

    fn sequence(&mut self) -> Option<Node> {
        let mut nodes = Vec::new();
        while let Some(c) = self.peek() {
            if c == '|' || c == ')' && self.depth > 1 {
                break;
            }
            let atom = self.atom()?;
            nodes.push(self.repeated(atom)?);
        }
        Some(match nodes.len() {
            0 => Node::Empty,
            1 => nodes.remove(0),
            _ => Node::Cat(nodes),
        })
    }

    fn repeated(&mut self, mut node: Node) -> Option<Node> {
        loop {
            let (low, high) = match self.peek() {
                Some('*') => (0, None),
                Some('+') => (1, None),
                Some('?') => (0, Some(1)),
                Some('{') => match self.counts() {
                    Some(counts) => counts?,
                    None => return Some(node),
                },
                _ => return Some(node),
            };
            self.pos += 1;
            node = Node::Repeat(Box::new(node), low, high);
        }
    }

    /// `{n,m}` up to before its `}`: `None` if the brace is a plain one, `Some(None)` if the counts are wrong.
    fn counts(&mut self) -> Option<Option<(u32, Option<u32>)>> {
        let len = self.chars[self.pos..].iter().position(|c| *c == '}')?;
        let text: String = self.chars[self.pos + 1..self.pos + len].iter().collect();
        let (low, high) = match text.split_once(',') {
            None => (text.parse().ok()?, Some(text.parse().ok()?)),
            Some((low, "")) => (low.parse().ok()?, None),
            Some(("", high)) => (0, Some(high.parse().ok()?)),
            Some((low, high)) => (low.parse().ok()?, Some(high.parse().ok()?)),
        };
        self.pos += len;
        let fits = low <= MAX_REPEAT && high.is_none_or(|h: u32| h <= MAX_REPEAT && h >= low);
        Some(fits.then_some((low, high)))
    }

    fn atom(&mut self) -> Option<Node> {
        let c = self.peek()?;
        self.pos += 1;
        Some(match c {
            '.' => Node::Any,
            '^' => Node::Begin,
            '$' => Node::End,
            '(' => {
                self.groups += 1;
                let index = self.groups;
                let inner = self.alternatives()?;
                if self.peek() != Some(')') {
                    return None;
                }
                self.pos += 1;
                Node::Group(index, Box::new(inner))
            }
            '[' => self.set()?,
            '*' | '+' | '?' => return None,
            '\\' => {
                let c = self.peek()?;
                self.pos += 1;
                escape(c)
            }
            c => Node::Char(c),
        })
    }

    fn set(&mut self) -> Option<Node> {
        let negated = self.peek() == Some('^');
        if negated {
            self.pos += 1;
        }
        let mut items = Vec::new();
        let first = self.pos;
        loop {
            let c = self.peek()?;
            if c == ']' && self.pos > first {
                self.pos += 1;
                return Some(Node::Set { negated, items });
            }
            if c == '[' && matches!(self.chars.get(self.pos + 1), Some(':' | '.' | '=')) {
                let kind = self.chars[self.pos + 1];
                let rest = &self.chars[self.pos + 2..];
                let len = rest.windows(2).position(|w| w == [kind, ']'])?;
                let name: String = rest[..len].iter().collect();
                self.pos += len + 4;
                items.push(if kind == ':' {
                    Item::Class(name)
                } else {
                    let c = name.chars().next()?;
                    Item::Range(c, c)
                });
                continue;
            }
            self.pos += 1;
            let range = self.peek() == Some('-') && self.chars.get(self.pos + 1).is_some_and(|c| *c != ']');
            if range {
                let high = self.chars[self.pos + 1];
                self.pos += 2;
                items.push(Item::Range(c, high));
            } else {
                items.push(Item::Range(c, c));
            }
        }
    }
}

fn escape(c: char) -> Node {
    let class = |name: &str| Node::Set {
        negated: false,
        items: vec![Item::Class(name.to_owned())],
    };
    let other = |name: &str| Node::Set {
        negated: false,
        items: vec![Item::NotClass(name.to_owned())],
    };
    match c {
        'w' => class("word"),
        's' => class("space"),
        'W' => other("word"),
        'S' => other("space"),
        'b' => Node::WordEdge(true),
        'B' => Node::WordEdge(false),
        '<' | '>' => Node::WordEdge(true),
        c => Node::Char(c),
    }
}

struct Matcher<'a> {
    text: &'a [char],
    fold: bool,
    steps: u64,
    depth: u32,
    caps: Captures,
    best: Option<Captures>,
    longest: bool,
}

/// What is to be matched after a node; whether the search is over.
type Then<'t, 'm> = &'t mut dyn FnMut(&mut Matcher<'m>, usize) -> bool;

impl<'m> Matcher<'m> {
    fn node(&mut self, node: &Node, at: usize, then: Then<'_, 'm>) -> bool {
        self.steps += 1;
        if self.steps > MAX_STEPS || self.depth > MAX_DEPTH {
            return false;
        }
        self.depth += 1;
        let done = self.node_inner(node, at, then);
        self.depth -= 1;
        done
    }

    fn node_inner(&mut self, node: &Node, at: usize, then: Then<'_, 'm>) -> bool {
        match node {
            Node::Empty => then(self, at),
            Node::Begin => at == 0 && then(self, at),
            Node::End => at == self.text.len() && then(self, at),
            Node::WordEdge(wanted) => self.at_edge(at) == *wanted && then(self, at),
            Node::Cat(nodes) => self.cat(nodes, at, then),
            Node::Alt(nodes) => nodes.iter().any(|node| self.node(node, at, then)),
            Node::Group(index, inner) => {
                let old = self.caps[*index];
                let done = self.node(inner, at, &mut |m, end| {
                    let before = m.caps[*index];
                    m.caps[*index] = Some((at, end));
                    let done = then(m, end);
                    if !done {
                        m.caps[*index] = before;
                    }
                    done
                });
                if !done {
                    self.caps[*index] = old;
                }
                done
            }
            Node::Repeat(inner, low, high) => match single(inner) {
                true => self.run(inner, *low, *high, at, then),
                false => self.repeat(inner, *low, *high, at, then),
            },
            single => self.text.get(at).is_some_and(|c| self.matches(single, *c)) && then(self, at + 1),
        }
    }

    fn cat(&mut self, nodes: &[Node], at: usize, then: Then<'_, 'm>) -> bool {
        match nodes.split_first() {
            None => then(self, at),
            Some((first, [])) => self.node(first, at, then),
            Some((first, rest)) => {
                // Plain characters need no frame of their own.
                if single(first) {
                    return self.text.get(at).is_some_and(|c| self.matches(first, *c)) && self.cat(rest, at + 1, then);
                }
                self.node(first, at, &mut |m, end| m.cat(rest, end, then))
            }
        }
    }

    /// A repetition of something one character long: no recursion per round.
    fn run(&mut self, inner: &Node, low: u32, high: Option<u32>, at: usize, then: Then<'_, 'm>) -> bool {
        let most = high.map_or(usize::MAX, |h| h as usize);
        let mut n = 0;
        while n < most && self.text.get(at + n).is_some_and(|c| self.matches(inner, *c)) {
            n += 1;
        }
        self.steps += n as u64 / 16;
        loop {
            if n < low as usize || self.steps > MAX_STEPS {
                return false;
            }
            if then(self, at + n) {
                return true;
            }
            if n == 0 {
                return false;
            }
            n -= 1;
        }
    }

    fn repeat(&mut self, inner: &Node, low: u32, high: Option<u32>, at: usize, then: Then<'_, 'm>) -> bool {
        if high == Some(0) {
            return then(self, at);
        }
        let again = self.node(inner, at, &mut |m, end| {
            if end == at && low == 0 {
                return false;
            }
            m.repeat(inner, low.saturating_sub(1), high.map(|h| h - 1), end, then)
        });
        again || low == 0 && then(self, at)
    }

    fn at_edge(&self, at: usize) -> bool {
        let word = |i: Option<usize>| {
            i.and_then(|i| self.text.get(i))
                .is_some_and(|c| c.is_alphanumeric() || *c == '_')
        };
        word(at.checked_sub(1)) != word(Some(at))
    }

    fn matches(&self, node: &Node, c: char) -> bool {
        match node {
            Node::Any => true,
            Node::Char(p) => *p == c || self.fold && p.to_lowercase().eq(c.to_lowercase()),
            Node::Set { negated, items } => {
                let has = |c: char| {
                    items.iter().any(|item| match item {
                        Item::Range(low, high) => (*low..=*high).contains(&c),
                        Item::Class(name) => in_class(name, c),
                        Item::NotClass(name) => !in_class(name, c),
                    })
                };
                let found = has(c) || self.fold && (c.to_lowercase().any(has) || c.to_uppercase().any(has));
                found != *negated
            }
            _ => false,
        }
    }
}

fn single(node: &Node) -> bool {
    matches!(node, Node::Any | Node::Char(_) | Node::Set { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(expression: &str, text: &str) -> Option<Vec<String>> {
        let chars: Vec<char> = text.chars().collect();
        let found = Regex::new(expression, false)?.find(&chars)?;
        Some(
            found
                .iter()
                .map(|span| span.map_or(String::new(), |(a, b)| chars[a..b].iter().collect()))
                .collect(),
        )
    }

    #[test]
    fn expressions() {
        for (expression, text, expected) in [
            (
                "^([a-z]+)-([0-9]{2,3})$",
                "abc-123",
                Some(vec!["abc-123", "abc", "123"]),
            ),
            ("a|ab", "xab", Some(vec!["ab"])),
            ("(a|ab)(c|bcd)", "abcd", Some(vec!["abcd", "a", "bcd"])),
            ("[[:space:]]+", "a  b", Some(vec!["  "])),
            ("x*", "aaa", Some(vec![""])),
            ("a\\.b", "a.b", Some(vec!["a.b"])),
            ("^$", "", Some(vec![""])),
            ("(ab)*c", "ababc", Some(vec!["ababc", "ab"])),
            ("[^]]", "]a", Some(vec!["a"])),
            ("b", "aaa", None),
        ] {
            let expected = expected.map(|all| all.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(groups(expression, text), expected, "{expression} {text}");
        }
        assert!(
            Regex::new("(", false).is_none() && Regex::new("[a", false).is_none() && Regex::new("*a", false).is_none()
        );
    }
}
