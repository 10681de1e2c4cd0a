//! Parameters.

use std::rc::Rc;

use crate::assign::{Key, split_subscript};
use crate::ast::{Name, Op, Param, Part, Subscript, When};
use crate::expand::sink::Sink;
use crate::shell::{Exec, Shell};
use crate::text::is_name;
use crate::vars::{Value, attr};

/// What a parameter holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Val {
    /// It is not set.
    None,
    /// One text.
    One(String),
    /// A list; `true` for `@`, which keeps its elements apart in quotes.
    Many(Vec<String>, bool),
}

/// Whether a part can stand for no field at all in double quotes.
pub(super) fn is_list(part: &Part) -> bool {
    let Part::Param(param) = part else { return false };
    match param.op {
        Op::Names(at) => at,
        Op::Length => false,
        _ if param.indirect => true,
        _ => param.name == Name::Special('@') || matches!(param.index, Some(Subscript::At)),
    }
}

impl Shell {
    pub(super) fn expand_param(&mut self, param: &Rc<Param>, sink: &mut Sink, quoted: bool) -> Exec<()> {
        // The commonest case: the text of an ordinary variable.
        if let (Name::Var(name), None, Op::Plain, false) = (&param.name, &param.index, &param.op, param.indirect)
            && let Some(var) = self.vars.get(name)
            && !var.has(attr::NAMEREF)
            && let Value::Scalar(text) = &var.value
        {
            sink.value(text, quoted);
            return Ok(());
        }
        if param.indirect {
            if let (Name::Var(name), None) = (&param.name, &param.index)
                && let Some(var) = self.vars.get(name)
                && var.has(attr::NAMEREF)
            {
                // `${!ref}` is the name that a reference refers to.
                let target = Val::One(var.text().unwrap_or_default().to_owned());
                let val = self.applied(param, target, sink, quoted)?;
                self.emit(val, sink, quoted);
                return Ok(());
            }
            let Some(target) = self.indirect(param)? else {
                let val = self.applied(param, Val::None, sink, quoted)?;
                self.emit(val, sink, quoted);
                return Ok(());
            };
            return self.expand_direct(&target, sink, quoted);
        }
        self.expand_direct(param, sink, quoted)
    }

    fn expand_direct(&mut self, param: &Param, sink: &mut Sink, quoted: bool) -> Exec<()> {
        let val = match &param.op {
            Op::Bad(text) => return Err(self.bad_substitution(text)),
            Op::Keys => self.keys(param)?,
            Op::Names(at) => Val::Many(self.names_with(&param.name), *at),
            _ => self.value_of(param)?,
        };
        let val = self.applied(param, val, sink, quoted)?;
        self.emit(val, sink, quoted);
        Ok(())
    }

    pub(super) fn bad_substitution(&mut self, text: &str) -> crate::shell::Flow {
        self.abort(&format!("{text}: bad substitution"))
    }

    fn emit(&mut self, val: Val, sink: &mut Sink, quoted: bool) {
        match val {
            Val::None => {}
            Val::One(text) => sink.value(&text, quoted),
            Val::Many(list, false) if quoted || sink.is_single() => {
                let joint = sink.joint();
                sink.value(&list.join(&joint), quoted);
            }
            Val::Many(list, _) => {
                for (i, text) in list.iter().enumerate() {
                    if i > 0 {
                        sink.next_element(quoted);
                    }
                    sink.value(text, quoted);
                }
            }
        }
    }

    /// What a parameter holds, before any operation.
    fn value_of(&mut self, param: &Param) -> Exec<Val> {
        let one = |text: Option<String>| text.map_or(Val::None, Val::One);
        Ok(match (&param.name, &param.index) {
            (Name::Var(name), None) => {
                let name = name.clone();
                one(self.get(&name))
            }
            (Name::Var(name), Some(Subscript::Word(index))) => match self.key_to_read(name, index)? {
                Some(key) => one(self.get_element(name, &key)),
                None => Val::None,
            },
            (Name::Var(name), Some(list)) => {
                let values = self.variable(name).map(|v| v.values()).unwrap_or_default();
                Val::Many(values, matches!(list, Subscript::At))
            }
            (Name::Positional(n), _) => one(self.params.get(n - 1).cloned()),
            (Name::Special(c), _) => self.special_value(*c),
        })
    }

    fn special_value(&mut self, c: char) -> Val {
        Val::One(match c {
            '@' | '*' => return Val::Many(self.params.clone(), c == '@'),
            '#' => self.params.len().to_string(),
            '?' => self.status.to_string(),
            '-' => self.flags(),
            '$' => self.shell_pid().to_string(),
            '!' => match self.last_background {
                Some(pid) => pid.to_string(),
                None => return Val::None,
            },
            _ => self.arg0.clone(),
        })
    }

    /// `$$`, asked for when it is first needed.
    pub fn shell_pid(&mut self) -> u32 {
        if self.pid == 0 {
            self.pid = crate::sys::pid();
        }
        self.pid
    }

    /// The parameter that `${!name}` means.
    fn indirect(&mut self, param: &Param) -> Exec<Option<Param>> {
        let direct = Param {
            indirect: false,
            op: Op::Plain,
            ..param.clone()
        };
        let target = match self.value_of(&direct)? {
            Val::One(text) => text,
            Val::Many(list, _) => list.join(" "),
            Val::None => return Ok(None),
        };
        let Some((name, index)) = self.parse_target(&target) else {
            return Err(self.abort(&format!("{target}: invalid variable name")));
        };
        Ok(Some(Param {
            name,
            index,
            indirect: false,
            op: param.op.clone(),
        }))
    }

    fn parse_target(&self, target: &str) -> Option<(Name, Option<Subscript>)> {
        if is_name(target) {
            return Some((Name::Var(target.to_owned()), None));
        }
        if let Some((name, index)) = split_subscript(target) {
            let index = match index {
                "@" => Subscript::At,
                "*" => Subscript::Star,
                _ => Subscript::Word(crate::parse::plain_word(index, self.syntax()).ok()?),
            };
            return is_name(name).then(|| (Name::Var(name.to_owned()), Some(index)));
        }
        if let Ok(n) = target.parse::<usize>() {
            return Some((
                if n == 0 {
                    Name::Special('0')
                } else {
                    Name::Positional(n)
                },
                None,
            ));
        }
        let mut chars = target.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) if "@*#?-$!".contains(c) => Some((Name::Special(c), None)),
            _ => None,
        }
    }

    fn keys(&mut self, param: &Param) -> Exec<Val> {
        let Name::Var(name) = &param.name else {
            return Ok(Val::None);
        };
        let keys = self.variable(name).map(|v| v.keys()).unwrap_or_default();
        Ok(Val::Many(keys, matches!(param.index, Some(Subscript::At))))
    }

    fn names_with(&self, prefix: &Name) -> Vec<String> {
        let Name::Var(prefix) = prefix else { return Vec::new() };
        self.vars
            .names()
            .into_iter()
            .filter(|n| n.starts_with(prefix.as_str()))
            .collect()
    }

    /// How a parameter is written, for messages.
    pub(super) fn shown(param: &Param) -> String {
        let name = match &param.name {
            Name::Var(name) => name.clone(),
            Name::Positional(n) => n.to_string(),
            Name::Special(c) => c.to_string(),
        };
        match &param.index {
            None => name,
            Some(Subscript::At) => format!("{name}[@]"),
            Some(Subscript::Star) => format!("{name}[*]"),
            Some(Subscript::Word(word)) => format!("{name}[{}]", word.raw),
        }
    }

    /// Fails for a parameter that is not set under `nounset`.
    pub(super) fn check_set(&mut self, param: &Param, val: &Val) -> Exec<()> {
        if *val != Val::None || !self.opts.nounset {
            return Ok(());
        }
        let name = Self::shown(param);
        let name = if matches!(param.name, Name::Positional(_)) {
            format!("${name}")
        } else {
            name
        };
        let status = self.fatal_status();
        Err(self.fatal(status, &format!("{name}: unbound variable")))
    }

    /// `-`, `=`, `?`, `+`
    pub(super) fn when(&mut self, param: &Param, val: Val, sink: &mut Sink, quoted: bool) -> Exec<Val> {
        let Op::When(when, colon, word) = &param.op else {
            return Ok(val);
        };
        let absent = match &val {
            Val::None => true,
            Val::One(text) => *colon && text.is_empty(),
            Val::Many(list, _) => list.is_empty() || *colon && list.iter().all(String::is_empty) && list.len() == 1,
        };
        match (when, absent) {
            (When::Default | When::Assign | When::Error, false) => Ok(val),
            (When::Alternate, true) => Ok(Val::None),
            (When::Default, true) | (When::Alternate, false) => {
                let before = std::mem::replace(&mut sink.split_literals, !quoted);
                let result = self.expand_parts(&word.parts, sink, quoted);
                sink.split_literals = before;
                result.map(|()| Val::None)
            }
            (When::Assign, true) => {
                let text = self.operand(word, quoted)?;
                let Name::Var(name) = &param.name else {
                    let shown = Self::shown(param);
                    return Err(self.fatal(1, &format!("${shown}: cannot assign in this way")));
                };
                let key: Option<Key> = match &param.index {
                    Some(Subscript::Word(index)) => Some(self.key(name, index)?),
                    _ => None,
                };
                self.assign(name, key, text.clone(), false)?;
                Ok(Val::One(text))
            }
            (When::Error, true) => {
                let text = self.operand(word, quoted)?;
                let shown = Self::shown(param);
                let text = match text.is_empty() {
                    false => text,
                    true if *colon => "parameter null or not set".to_owned(),
                    true => "parameter not set".to_owned(),
                };
                let status = self.fatal_status();
                Err(self.fatal(status, &format!("{shown}: {text}")))
            }
        }
    }

    /// An operand as one text.
    pub(super) fn operand(&mut self, word: &crate::ast::Word, quoted: bool) -> Exec<String> {
        if quoted {
            self.expand_quoted(word)
        } else {
            self.expand_text(word)
        }
    }
}
