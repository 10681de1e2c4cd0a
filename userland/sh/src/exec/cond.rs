//! `[[ ]]`, and the operators it shares with `test`.

use std::collections::BTreeMap;

use crate::assign::split_subscript;
use crate::ast::{Cond, Word};
use crate::expand::Purpose;
use crate::pattern::Pattern;
use crate::regex::Regex;
use crate::shell::{Exec, Flow, Shell};
use crate::sys;
use crate::text::quote_if_needed;
use crate::vars::{Value, Var};

impl Shell {
    pub(super) fn run_cond(&mut self, cond: &Cond) -> Exec {
        match self.cond(cond) {
            Ok(true) => Ok(0),
            Ok(false) => Ok(1),
            // A message was written; the command is what failed.
            Err(Flow::Abort) if self.status == 2 => Ok(2),
            Err(flow) => Err(flow),
        }
    }

    fn cond(&mut self, cond: &Cond) -> Exec<bool> {
        Ok(match cond {
            Cond::Not(inner) => !self.cond(inner)?,
            Cond::Paren(inner) => self.cond(inner)?,
            Cond::And(a, b) => self.cond(a)? && self.cond(b)?,
            Cond::Or(a, b) => self.cond(a)? || self.cond(b)?,
            Cond::Word(word) => {
                let text = self.expand_text(word)?;
                self.trace_cond(&["-n", &quote_if_needed(&text)]);
                !text.is_empty()
            }
            Cond::Unary(op, word) => {
                let text = self.expand_text(word)?;
                self.trace_cond(&[op, &quote_if_needed(&text)]);
                unary_test(self, op, &text)
            }
            Cond::Binary(left, op, right) => self.cond_binary(left, op, right)?,
        })
    }

    fn trace_cond(&mut self, words: &[&str]) {
        if self.opts.xtrace {
            self.trace(&format!("[[ {} ]]", words.join(" ")));
        }
    }

    fn cond_binary(&mut self, left: &Word, op: &str, right: &Word) -> Exec<bool> {
        let text = self.expand_text(left)?;
        match op {
            "=" | "==" | "!=" => {
                let pattern = self.expand_pattern(right)?;
                self.trace_cond(&[&quote_if_needed(&text), op, &pattern]);
                let matches = Pattern::new(&pattern, true, self.shopts.nocasematch).matches(&text);
                Ok(matches == (op != "!="))
            }
            "=~" => self.cond_regex(&text, right),
            _ => {
                let other = self.expand_text(right)?;
                self.trace_cond(&[&quote_if_needed(&text), op, &quote_if_needed(&other)]);
                if matches!(op, "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge") {
                    let (a, b) = (self.cond_number(&text)?, self.cond_number(&other)?);
                    return Ok(compare(op, a, b));
                }
                Ok(binary_test(&text, op, &other).unwrap_or(false))
            }
        }
    }

    fn cond_number(&mut self, text: &str) -> Exec<i64> {
        self.arith_text(text)
    }

    fn cond_regex(&mut self, text: &str, right: &Word) -> Exec<bool> {
        let expression = self.expand_for(right, Purpose::Regex)?;
        self.trace_cond(&[&quote_if_needed(text), "=~", &expression]);
        let Some(regex) = Regex::new(&expression, self.shopts.nocasematch) else {
            self.status = 2;
            return Err(Flow::Abort);
        };
        let chars: Vec<char> = text.chars().collect();
        let found = regex.find(&chars);
        let map: BTreeMap<u64, String> = found
            .iter()
            .flatten()
            .enumerate()
            .map(|(i, span)| {
                let group = span.map_or(String::new(), |(a, b)| chars[a..b].iter().collect());
                (i as u64, group)
            })
            .collect();
        self.vars.insert(
            "BASH_REMATCH",
            Var {
                value: Value::Indexed(map),
                attrs: 0,
            },
        );
        Ok(found.is_some())
    }
}

fn compare(op: &str, a: i64, b: i64) -> bool {
    match op {
        "-eq" => a == b,
        "-ne" => a != b,
        "-lt" => a < b,
        "-le" => a <= b,
        "-gt" => a > b,
        _ => a >= b,
    }
}

/// Operators of two operands that are no numbers of `[[ ]]`; `None` if there is no such operator or a number is wrong.
pub fn binary_test(a: &str, op: &str, b: &str) -> Option<bool> {
    let times = || (sys::stat(a, true).ok(), sys::stat(b, true).ok());
    Some(match op {
        "=" | "==" => a == b,
        "!=" => a != b,
        "<" => a < b,
        ">" => a > b,
        "-nt" => match times() {
            (Some(x), Some(y)) => x.mtime > y.mtime,
            (x, y) => x.is_some() && y.is_none(),
        },
        "-ot" => match times() {
            (Some(x), Some(y)) => x.mtime < y.mtime,
            (x, y) => x.is_none() && y.is_some(),
        },
        "-ef" => match times() {
            (Some(x), Some(y)) => x.dev == y.dev && x.ino == y.ino,
            _ => false,
        },
        "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => compare(op, a.trim().parse().ok()?, b.trim().parse().ok()?),
        _ => return None,
    })
}

/// Operators of one operand.
pub fn unary_test(sh: &mut Shell, op: &str, text: &str) -> bool {
    let stat = |follow: bool| sys::stat(text, follow).ok();
    let kind = |bits: u32| stat(true).is_some_and(|s| s.kind() == bits);
    match op {
        "-n" => !text.is_empty(),
        "-z" => text.is_empty(),
        "-a" | "-e" => stat(true).is_some(),
        "-f" => stat(true).is_some_and(|s| s.is_file()),
        "-d" => stat(true).is_some_and(|s| s.is_dir()),
        "-h" | "-L" => stat(false).is_some_and(|s| s.kind() == 0o120_000),
        "-b" => kind(0o060_000),
        "-c" => kind(0o020_000),
        "-p" => kind(0o010_000),
        "-S" => kind(0o140_000),
        "-s" => stat(true).is_some_and(|s| s.size > 0),
        "-r" => sys::access(text, 4),
        "-w" => sys::access(text, 2),
        "-x" => sys::access(text, 1),
        "-u" => stat(true).is_some_and(|s| s.mode & 0o4000 != 0),
        "-g" => stat(true).is_some_and(|s| s.mode & 0o2000 != 0),
        "-k" => stat(true).is_some_and(|s| s.mode & 0o1000 != 0),
        "-O" => stat(true).is_some_and(|s| s.uid == sys::user_ids()[1]),
        "-G" => stat(true).is_some_and(|s| s.gid == sys::user_ids()[3]),
        "-N" => stat(true).is_some_and(|s| s.mtime > s.atime),
        "-t" => text.trim().parse().is_ok_and(sys::is_tty),
        "-o" => sh.opts.get(text).unwrap_or(false),
        "-v" => is_set(sh, text),
        "-R" => sh.vars.get(text).is_some_and(|v| v.has(crate::vars::attr::NAMEREF)),
        _ => false,
    }
}

fn is_set(sh: &mut Shell, name: &str) -> bool {
    if let Some((base, index)) = split_subscript(name) {
        if matches!(index, "@" | "*") {
            return sh.variable(base).is_some_and(|v| v.len() > 0);
        }
        let status = sh.status;
        let found = match sh.key_of_text(base, index) {
            Ok(key) => sh.get_element(base, &key).is_some(),
            Err(_) => false,
        };
        sh.status = status;
        return found;
    }
    match name.parse::<usize>() {
        Ok(n) => n <= sh.params.len(),
        Err(_) => sh.get(name).is_some(),
    }
}
