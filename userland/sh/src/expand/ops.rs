//! What `${...}` does with values.

use crate::ast::{Case, Name, Op, Param, Subscript, Where};
use crate::expand::param::Val;
use crate::expand::sink::{Purpose, Sink};
use crate::pattern::Pattern;
use crate::shell::{Exec, Shell};
use crate::text::{self, Dialect};
use crate::vars::Value;

impl Shell {
    /// The value after the parameter's operation.
    pub(super) fn applied(&mut self, param: &Param, val: Val, sink: &mut Sink, quoted: bool) -> Exec<Val> {
        if !matches!(param.op, Op::When(..)) {
            self.check_set(param, &val)?;
        }
        match &param.op {
            Op::Plain | Op::Keys | Op::Names(_) | Op::Bad(_) => Ok(val),
            Op::When(..) => self.when(param, val, sink, quoted),
            Op::Length => Ok(Val::One(self.length(param, &val).to_string())),
            Op::TrimPrefix(long, word) => {
                let pattern = self.pattern(word)?;
                Ok(map(val, |text| trim_prefix(text, &pattern, *long)))
            }
            Op::TrimSuffix(long, word) => {
                let pattern = self.pattern(word)?;
                Ok(map(val, |text| trim_suffix(text, &pattern, *long)))
            }
            Op::Replace(place, word, with) => self.replaced(val, *place, word, with.as_ref(), quoted),
            Op::Substring(offset, length) => self.substring(param, val, offset, length.as_ref()),
            Op::Case(case, all, word) => {
                let pattern = match word {
                    Some(word) => Some(self.pattern(word)?),
                    None => None,
                };
                Ok(map(val, |text| change_case(text, *case, *all, pattern.as_ref())))
            }
            Op::Transform(op) => self.transform(param, val, *op),
        }
    }

    fn pattern(&mut self, word: &crate::ast::Word) -> Exec<Pattern> {
        let text = self.expand_pattern(word)?;
        Ok(Pattern::new(&text, true, self.shopts.nocasematch))
    }

    fn length(&self, param: &Param, val: &Val) -> usize {
        match val {
            Val::None => 0,
            Val::One(text) if param.name == Name::Special('#') => text.len(),
            Val::One(text) => text.chars().count(),
            Val::Many(list, _) => list.len(),
        }
    }

    fn replaced(
        &mut self,
        val: Val,
        place: Where,
        word: &crate::ast::Word,
        with: Option<&crate::ast::Word>,
        quoted: bool,
    ) -> Exec<Val> {
        let pattern = self.pattern(word)?;
        let with = match with {
            None => String::new(),
            Some(word) if self.shopts.patsub_replacement => {
                let mut sink = Sink::new(Purpose::Replacement, self);
                // Unquoted text of a quoted expansion is still open to `&`.
                let _ = quoted;
                self.expand_parts(&word.parts, &mut sink, false)?;
                sink.text()
            }
            Some(word) => text_escaped(&self.operand(word, quoted)?),
        };
        Ok(map(val, |text| replace(text, &pattern, place, &with)))
    }

    fn substring(
        &mut self,
        param: &Param,
        val: Val,
        offset: &crate::ast::Arith,
        length: Option<&crate::ast::Arith>,
    ) -> Exec<Val> {
        let offset = self.arith(offset)?;
        let length = match length {
            Some(length) => Some(self.arith(length)?),
            None => None,
        };
        match val {
            Val::None => Ok(Val::None),
            Val::One(text) => {
                let chars: Vec<char> = text.chars().collect();
                match span(chars.len(), offset, length) {
                    Span::Of(a, b) => Ok(Val::One(chars[a..b].iter().collect())),
                    Span::Outside => Ok(Val::One(String::new())),
                    Span::Negative => {
                        let length = length.unwrap_or(0);
                        Err(self.abort(&format!("{length}: substring expression < 0")))
                    }
                }
            }
            Val::Many(list, at) => self.slice(param, list, at, offset, length),
        }
    }

    fn slice(&mut self, param: &Param, list: Vec<String>, at: bool, offset: i64, length: Option<i64>) -> Exec<Val> {
        if let Some(length) = length.filter(|l| *l < 0) {
            return Err(self.abort(&format!("{length}: substring expression < 0")));
        }
        let count = length.map_or(usize::MAX, |l| usize::try_from(l).unwrap_or(usize::MAX));
        if let Name::Var(name) = &param.name
            && let Some(var) = self.variable(name)
            && let Value::Indexed(map) = &var.value
        {
            let end = map.keys().next_back().map_or(0, |k| *k as i64 + 1);
            let from = if offset < 0 { offset + end } else { offset };
            if from < 0 {
                return Ok(Val::Many(Vec::new(), at));
            }
            return Ok(Val::Many(
                map.range(from as u64..).take(count).map(|(_, v)| v.clone()).collect(),
                at,
            ));
        }
        // Positional parameters count from 1; 0 is the shell's name.
        let positional = matches!(param.name, Name::Special(_)) && param.index.is_none();
        let mut all = list;
        if positional {
            all.insert(0, self.arg0.clone());
        }
        let from = if offset < 0 { offset + all.len() as i64 } else { offset };
        if from < 0 || positional && offset < 0 && from < 1 {
            return Ok(Val::Many(Vec::new(), at));
        }
        Ok(Val::Many(all.into_iter().skip(from as usize).take(count).collect(), at))
    }

    fn transform(&mut self, param: &Param, val: Val, op: char) -> Exec<Val> {
        match op {
            'Q' => Ok(map(val, text::quote_single)),
            'E' => Ok(map(val, |t| text::unescape(t, Dialect::Ansi).0)),
            'U' => Ok(map(val, str::to_uppercase)),
            'L' => Ok(map(val, str::to_lowercase)),
            'u' => Ok(map(val, |t| change_case(t, Case::Upper, false, None))),
            'P' => Ok(map(val, |t| self.prompt_text(t))),
            'a' => Ok(self.attributes_of(param, val)),
            'A' => Ok(self.declaration_of(param, val)),
            'K' | 'k' => Ok(self.pairs_of(param, val, op == 'k')),
            _ => {
                let shown = Self::shown(param);
                Err(self.bad_substitution(&format!("${{{shown}@{op}}}")))
            }
        }
    }

    fn attributes_of(&mut self, param: &Param, val: Val) -> Val {
        let Name::Var(name) = &param.name else { return val };
        let letters = self
            .variable(name)
            .map(|v| crate::builtins::declare::letters(&v))
            .unwrap_or_default();
        match val {
            Val::Many(list, at) => Val::Many(list.iter().map(|_| letters.clone()).collect(), at),
            _ => Val::One(letters),
        }
    }

    fn declaration_of(&mut self, param: &Param, val: Val) -> Val {
        let Name::Var(name) = &param.name else {
            return match val {
                Val::Many(list, _) => {
                    let quoted: Vec<String> = list.iter().map(|t| text::quote_single(t)).collect();
                    Val::One(format!("set -- {}", quoted.join(" ")))
                }
                other => other,
            };
        };
        let Some(var) = self.variable(name) else {
            return Val::None;
        };
        if var.is_array() && !matches!(param.index, Some(Subscript::At | Subscript::Star)) {
            return val;
        }
        Val::One(crate::builtins::declare::statement(name, &var, true))
    }

    fn pairs_of(&mut self, param: &Param, val: Val, words: bool) -> Val {
        let Name::Var(name) = &param.name else { return val };
        let Some(var) = self.variable(name) else {
            return Val::None;
        };
        if !var.is_array() || !matches!(param.index, Some(Subscript::At | Subscript::Star)) {
            return map(val, text::quote_single);
        }
        let pairs = var.keys().into_iter().zip(var.values());
        if words {
            return Val::Many(pairs.flat_map(|(k, v)| [k, v]).collect(), true);
        }
        let pairs: Vec<String> = pairs.map(|(k, v)| format!("{k} {}", text::quote_double(&v))).collect();
        // bash ends the pairs of an associative array in a blank.
        let end = if matches!(var.value, Value::Assoc(_)) { " " } else { "" };
        Val::One(pairs.join(" ") + end)
    }
}

fn map(val: Val, mut f: impl FnMut(&str) -> String) -> Val {
    match val {
        Val::None => Val::None,
        Val::One(text) => Val::One(f(&text)),
        Val::Many(list, at) => Val::Many(list.iter().map(|t| f(t)).collect(), at),
    }
}

fn trim_prefix(text: &str, pattern: &Pattern, long: bool) -> String {
    if let Some(literal) = pattern.literal() {
        return text.strip_prefix(&literal).unwrap_or(text).to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let n = pattern.prefix(&chars, long).unwrap_or(0);
    chars[n..].iter().collect()
}

fn trim_suffix(text: &str, pattern: &Pattern, long: bool) -> String {
    if let Some(literal) = pattern.literal() {
        return text.strip_suffix(&literal).unwrap_or(text).to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let n = pattern.suffix(&chars, long).unwrap_or(chars.len());
    chars[..n].iter().collect()
}

fn text_escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('&', "\\&")
}

/// The replacement for a match: `&` is the match, a backslash quotes.
fn fill(with: &str, matched: &[char], out: &mut String) {
    let mut chars = with.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if matches!(chars.peek(), Some('&' | '\\')) => out.extend(chars.next()),
            '&' => out.extend(matched),
            c => out.push(c),
        }
    }
}

fn replace(text: &str, pattern: &Pattern, place: Where, with: &str) -> String {
    if let Some(literal) = pattern.literal() {
        if literal.is_empty() && !matches!(place, Where::Prefix | Where::Suffix) {
            return text.to_owned();
        }
        if !with.contains(['&', '\\']) {
            return match place {
                Where::First => text.replacen(&literal, with, 1),
                Where::All => text.replace(&literal, with),
                Where::Prefix => text
                    .strip_prefix(&literal)
                    .map_or_else(|| text.to_owned(), |rest| format!("{with}{rest}")),
                Where::Suffix => text
                    .strip_suffix(&literal)
                    .map_or_else(|| text.to_owned(), |rest| format!("{rest}{with}")),
            };
        }
    }
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    match place {
        Where::Prefix => match pattern.prefix(&chars, true) {
            Some(n) => {
                fill(with, &chars[..n], &mut out);
                out.extend(&chars[n..]);
            }
            None => return text.to_owned(),
        },
        Where::Suffix => match pattern.suffix(&chars, true) {
            Some(n) => {
                out.extend(&chars[..n]);
                fill(with, &chars[n..], &mut out);
            }
            None => return text.to_owned(),
        },
        Where::First | Where::All => replace_inside(&chars, pattern, place == Where::All, with, &mut out),
    }
    out
}

fn replace_inside(chars: &[char], pattern: &Pattern, all: bool, with: &str, out: &mut String) {
    let mut at = 0;
    while at < chars.len() {
        match pattern.longest_prefix(&chars[at..]) {
            Some(n) if n > 0 => {
                fill(with, &chars[at..at + n], out);
                at += n;
                if !all {
                    break;
                }
            }
            _ => {
                out.push(chars[at]);
                at += 1;
            }
        }
    }
    out.extend(&chars[at..]);
}

enum Span {
    Of(usize, usize),
    Outside,
    Negative,
}

fn span(count: usize, offset: i64, length: Option<i64>) -> Span {
    let count = count as i64;
    let from = if offset < 0 { offset + count } else { offset };
    if from < 0 || from > count {
        return Span::Outside;
    }
    let to = match length {
        None => count,
        Some(length) if length < 0 => count + length,
        Some(length) => from.saturating_add(length).min(count),
    };
    if to < from {
        Span::Negative
    } else {
        Span::Of(from as usize, to as usize)
    }
}

fn change_case(text: &str, case: Case, all: bool, pattern: Option<&Pattern>) -> String {
    let mut out = String::with_capacity(text.len());
    for (i, c) in text.chars().enumerate() {
        let chosen = (all || i == 0) && pattern.is_none_or(|p| p.matches_chars(&[c]));
        match case {
            _ if !chosen => out.push(c),
            Case::Upper => out.extend(c.to_uppercase()),
            Case::Lower => out.extend(c.to_lowercase()),
            Case::Toggle if c.is_uppercase() => out.extend(c.to_lowercase()),
            Case::Toggle => out.extend(c.to_uppercase()),
        }
    }
    out
}
