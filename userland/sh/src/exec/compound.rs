//! Compound commands.

use crate::ast::{Arith, CaseEnd, CaseItem, Compound, List, Word};
use crate::pattern::Pattern;
use crate::shell::{Exec, Flow, Shell};
use crate::sys;

impl Shell {
    pub(super) fn run_compound(&mut self, compound: &Compound, tail: bool, line: u32) -> Exec {
        match compound {
            Compound::Subshell(list) => {
                self.line = line;
                let status = self.run_subshell(list, tail);
                self.line = line;
                status
            }
            Compound::Group(list) => self.run_list(list, tail),
            Compound::If(branches, otherwise) => self.run_if(branches, otherwise.as_ref(), tail),
            Compound::While(wanted, condition, body) => self.in_loop(|sh| sh.run_while(*wanted, condition, body)),
            Compound::For(name, words, body) => {
                self.line = line;
                let words = self.loop_words(words.as_deref())?;
                self.in_loop(|sh| sh.run_for(name, words, body, line))
            }
            Compound::ArithFor(clauses, body) => {
                self.line = line;
                self.in_loop(|sh| sh.run_arith_for(clauses, body))
            }
            Compound::Select(name, words, body) => {
                let words = self.loop_words(words.as_deref())?;
                self.in_loop(|sh| sh.run_select(name, &words, body))
            }
            Compound::Case(word, items) => {
                self.line = line;
                self.run_case(word, items, tail)
            }
            Compound::Arith(arith) => {
                self.line = line;
                self.before_command(&format!("(({}))", arith.word.raw))?;
                Ok(self.run_arith(arith))
            }
            Compound::Cond(cond) => {
                self.line = line;
                self.before_command("[[")?;
                self.run_cond(cond)
            }
        }
    }

    fn run_if(&mut self, branches: &[(List, List)], otherwise: Option<&List>, tail: bool) -> Exec {
        for (condition, body) in branches {
            if self.ignoring(|sh| sh.run_list(condition, false))? == 0 {
                return self.run_list(body, tail);
            }
        }
        match otherwise {
            Some(body) => self.run_list(body, tail),
            None => Ok(0),
        }
    }

    fn in_loop(&mut self, f: impl FnOnce(&mut Self) -> Exec) -> Exec {
        self.loops += 1;
        let result = f(self);
        self.loops -= 1;
        result
    }

    /// One round of a loop: its status, or `None` when the loop ends.
    fn round(&mut self, body: &List) -> Exec<Option<i32>> {
        match self.run_list(body, false) {
            Ok(status) => Ok(Some(status)),
            Err(Flow::Break(1)) => Ok(None),
            Err(Flow::Break(n)) => Err(Flow::Break(n - 1)),
            Err(Flow::Continue(1)) => Ok(Some(self.status)),
            Err(Flow::Continue(n)) => Err(Flow::Continue(n - 1)),
            Err(flow) => Err(flow),
        }
    }

    #[inline(never)]
    fn run_while(&mut self, wanted: bool, condition: &List, body: &List) -> Exec {
        let mut status = 0;
        loop {
            let test = match self.ignoring(|sh| sh.round(condition))? {
                Some(test) => test,
                None => return Ok(0),
            };
            if (test == 0) != wanted {
                self.status = status;
                return Ok(status);
            }
            match self.round(body)? {
                Some(s) => status = s,
                None => return Ok(0),
            }
        }
    }

    fn loop_words(&mut self, words: Option<&[Word]>) -> Exec<Vec<String>> {
        match words {
            Some(words) => self.expand_words(words),
            None => Ok(self.params.clone()),
        }
    }

    #[inline(never)]
    fn run_for(&mut self, name: &str, words: Vec<String>, body: &List, line: u32) -> Exec {
        if !crate::text::is_name(name) {
            self.error(&format!("`{name}': not a valid identifier"));
            return Ok(1);
        }
        let mut status = 0;
        for word in words {
            if self.opts.xtrace || self.traps.has_debug() {
                self.line = line;
                self.before_command(&format!("for {name}"))?;
                if self.opts.xtrace {
                    self.trace(&format!("for {name} in {}", crate::text::quote_if_needed(&word)));
                }
            }
            if self.assign(name, None, word, false).is_err() {
                return Ok(1);
            }
            match self.round(body)? {
                Some(s) => status = s,
                None => return Ok(0),
            }
        }
        Ok(status)
    }

    #[inline(never)]
    fn run_arith_for(&mut self, clauses: &[Arith; 3], body: &List) -> Exec {
        let [init, test, step] = clauses;
        self.clause(init, 0)?;
        let mut status = 0;
        while self.clause(test, 1)? != 0 {
            match self.round(body)? {
                Some(s) => status = s,
                None => return Ok(0),
            }
            self.clause(step, 0)?;
        }
        Ok(status)
    }

    fn clause(&mut self, clause: &Arith, empty: i64) -> Exec<i64> {
        if clause.word.raw.trim().is_empty() {
            return Ok(empty);
        }
        if self.opts.xtrace {
            self.trace(&format!("(({}))", clause.word.raw));
        }
        self.arith(clause)
    }

    /// `(( ))`: an error in it is only a status.
    fn run_arith(&mut self, arith: &Arith) -> i32 {
        if self.opts.xtrace {
            self.trace(&format!("(({}))", arith.word.raw));
        }
        match self.arith(arith) {
            Ok(value) => i32::from(value == 0),
            Err(_) => 1,
        }
    }

    #[inline(never)]
    fn run_case(&mut self, word: &Word, items: &[CaseItem], tail: bool) -> Exec {
        let text = self.expand_text(word)?;
        let mut status = 0;
        let mut fall = false;
        for item in items {
            if !fall && !self.case_matches(&text, &item.patterns)? {
                continue;
            }
            if !item.body.items.is_empty() {
                status = self.run_list(&item.body, tail && item.end == CaseEnd::Break)?;
            } else {
                self.status = 0;
                status = 0;
            }
            match item.end {
                CaseEnd::Break => return Ok(status),
                CaseEnd::Fall => fall = true,
                CaseEnd::Test => fall = false,
            }
        }
        Ok(status)
    }

    fn case_matches(&mut self, text: &str, patterns: &[Word]) -> Exec<bool> {
        for pattern in patterns {
            let matched = match pattern.as_literal() {
                Some("*") => true,
                Some(literal) if !self.shopts.nocasematch && !literal.contains(['*', '?', '[', '(', '\\']) => {
                    literal == text
                }
                _ => {
                    let pattern = self.expand_pattern(pattern)?;
                    Pattern::new(&pattern, self.shopts.extglob, self.shopts.nocasematch).matches(text)
                }
            };
            if matched {
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[inline(never)]
    fn run_select(&mut self, name: &str, words: &[String], body: &List) -> Exec {
        if words.is_empty() {
            return Ok(0);
        }
        let mut show = true;
        loop {
            if show {
                self.select_menu(words);
            }
            let ps3 = self.vars.text("PS3").unwrap_or("#? ").to_owned();
            let prompt = self.expand_value(&ps3);
            let _ = sys::write_all(2, &crate::text::encode(&prompt));
            let Some(line) = crate::builtins::read::line_of(0) else {
                let _ = sys::write_all(1, b"\n");
                return Ok(1);
            };
            let line = line.trim_matches(['\n', ' ', '\t']).to_owned();
            self.set("REPLY", &line)?;
            show = line.is_empty();
            if show {
                continue;
            }
            let chosen = line.parse::<usize>().ok().and_then(|n| words.get(n.wrapping_sub(1)));
            let chosen = chosen.cloned().unwrap_or_default();
            self.set(name, &chosen)?;
            match self.round(body)? {
                Some(_) => {}
                None => return Ok(0),
            }
            show = self.vars.text("REPLY").is_none_or(str::is_empty);
        }
    }

    fn select_menu(&mut self, words: &[String]) {
        let width = words.len().to_string().len();
        let mut text = String::new();
        for (i, word) in words.iter().enumerate() {
            text.push_str(&format!("{:>width$}) {word}\n", i + 1));
        }
        let _ = sys::write_all(2, &crate::text::encode(&text));
    }
}
