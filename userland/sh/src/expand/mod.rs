//! From words to the texts they stand for.
//!
//! The order is bash's: braces, tilde, parameters, substitutions and arithmetic in one pass, then splitting and file
//! names. One walk over the parts of a word feeds a [`sink::Sink`], which knows what the result is for and keeps apart
//! what was quoted.

mod brace;
mod glob;
mod ops;
mod param;
mod sink;
mod tilde;

pub use glob::glob;
pub use sink::Purpose;
pub use tilde::user_name;

use sink::Sink;

use crate::arith;
use crate::ast::{Arith, Part, Word};
use crate::shell::{Exec, Shell};
use crate::sys;
use crate::text;

impl Shell {
    /// Arguments: all expansions.
    pub fn expand_words(&mut self, words: &[Word]) -> Exec<Vec<String>> {
        let mut out = Vec::with_capacity(words.len());
        for word in words {
            self.expand_word(word, &mut out)?;
        }
        Ok(out)
    }

    fn expand_word(&mut self, word: &Word, out: &mut Vec<String>) -> Exec<()> {
        if word.braces && self.opts.braceexpand {
            let Some(words) = brace::expand(word) else {
                return Err(self.abort(&format!(
                    "{}: brace expansion: too many words (limit {})",
                    word.raw,
                    brace::MAX_WORDS
                )));
            };
            for word in words {
                self.expand_fields(&word, out)?;
            }
            return Ok(());
        }
        self.expand_fields(word, out)
    }

    fn expand_fields(&mut self, word: &Word, out: &mut Vec<String>) -> Exec<()> {
        if let [Part::Quoted(text)] = word.parts.as_slice() {
            out.push(text.clone());
            return Ok(());
        }
        let mut sink = Sink::new(Purpose::Fields, self);
        self.expand_parts(&word.parts, &mut sink, false)?;
        for field in sink.fields() {
            self.field(field, out)?;
        }
        Ok(())
    }

    fn field(&mut self, (text, pattern): (String, Option<String>), out: &mut Vec<String>) -> Exec<()> {
        let Some(pattern) = pattern.filter(|_| !self.opts.noglob) else {
            out.push(text);
            return Ok(());
        };
        let found = glob(&pattern, &self.shopts);
        if !found.is_empty() {
            let ignored = self.vars.text("GLOBIGNORE").map(str::to_owned);
            out.extend(
                found
                    .into_iter()
                    .filter(|path| !ignored.as_deref().is_some_and(|all| is_ignored(all, path))),
            );
        } else if self.shopts.failglob {
            return Err(self.abort(&format!("no match: {text}")));
        } else if !self.shopts.nullglob {
            out.push(text);
        }
        Ok(())
    }

    /// One text: no splitting, no file names, quotes removed.
    pub fn expand_text(&mut self, word: &Word) -> Exec<String> {
        if let [Part::Lit(text) | Part::Quoted(text)] = word.parts.as_slice() {
            return Ok(text.clone());
        }
        self.expand_for(word, Purpose::Text)
    }

    /// The value of an assignment.
    pub fn expand_assigned(&mut self, word: &Word) -> Exec<String> {
        self.expand_text(word)
    }

    /// A pattern: what was quoted is escaped.
    pub fn expand_pattern(&mut self, word: &Word) -> Exec<String> {
        self.expand_for(word, Purpose::Pattern)
    }

    /// One text for a given purpose.
    pub fn expand_for(&mut self, word: &Word, purpose: Purpose) -> Exec<String> {
        let mut sink = Sink::new(purpose, self);
        self.expand_parts(&word.parts, &mut sink, false)?;
        Ok(sink.text())
    }

    /// The text of a here-document or prompt, parsed as if in double quotes.
    pub fn expand_quoted(&mut self, word: &Word) -> Exec<String> {
        let mut sink = Sink::new(Purpose::Text, self);
        self.expand_parts(&word.parts, &mut sink, true)?;
        Ok(sink.text())
    }

    pub(super) fn expand_parts(&mut self, parts: &[Part], sink: &mut Sink, quoted: bool) -> Exec<()> {
        for part in parts {
            match part {
                Part::Lit(text) if quoted => sink.quoted(text),
                Part::Lit(text) => sink.literal(text),
                Part::Quoted(text) => sink.quoted(text),
                Part::Double(inner) => {
                    self.expand_parts(inner, sink, true)?;
                    if inner.is_empty() || !inner.iter().all(param::is_list) {
                        sink.open();
                    }
                }
                Part::Param(param) => self.expand_param(param, sink, quoted)?,
                Part::Command(body) => {
                    let text = self.substitute(body)?;
                    sink.value(&text, quoted);
                }
                Part::Arith(arith) => {
                    let value = self.arith(arith)?;
                    sink.value(&value.to_string(), quoted);
                }
                Part::Process(read, body) => {
                    let path = self.process_substitution(*read, body)?;
                    sink.quoted(&path);
                }
                Part::Tilde(name) => {
                    let home = self.tilde(name);
                    sink.quoted(&home);
                }
            }
        }
        Ok(())
    }

    /// Evaluates an arithmetic text.
    pub fn arith(&mut self, a: &Arith) -> Exec<i64> {
        let parsed = a.parsed.get_or_init(|| {
            let text = a.word.as_literal()?;
            arith::parse(text).ok()
        });
        if let Some(expr) = parsed {
            // The tree is held by its own reference while it runs.
            let holder = std::rc::Rc::clone(&a.parsed);
            let _ = expr;
            if let Some(Some(expr)) = holder.get() {
                let result = arith::evaluate(expr, self);
                return result.map_err(|error| self.arith_error(&a.word.raw, &error));
            }
        }
        let text = self.expand_quoted(&a.word)?;
        self.arith_text(&text)
    }

    /// Text for `PS4`, `PS1` and their kin, given as a value: expanded as if in double quotes.
    pub fn expand_value(&mut self, value: &str) -> String {
        let Ok(word) = crate::parse::quoted_word(value, self.syntax()) else {
            return value.to_owned();
        };
        let status = self.status;
        let text = self.expand_quoted(&word).unwrap_or_default();
        self.status = status;
        text
    }

    /// Writes a line of `xtrace`.
    pub fn trace(&mut self, text: &str) {
        let ps4 = self.vars.text("PS4").unwrap_or("+ ").to_owned();
        let xtrace = std::mem::replace(&mut self.opts.xtrace, false);
        let prefix = self.expand_value(&ps4);
        self.opts.xtrace = xtrace;
        let first: String = prefix.chars().take(1).collect();
        let levels = self.subshell as usize;
        let line = format!("{}{prefix}{text}\n", first.repeat(levels));
        // There is nowhere to report a failure of this to.
        let _ = sys::write_all(2, &text::encode(&line));
    }
}

fn is_ignored(all: &str, path: &str) -> bool {
    let base = path.rsplit('/').next().unwrap_or(path);
    base == "."
        || base == ".."
        || all
            .split(':')
            .any(|p| crate::pattern::Pattern::new(p, true, false).matches(path))
}
