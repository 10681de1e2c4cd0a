//! Compiled expressions and a small cache of dynamic ones.

use crate::regex::{Escapes, Options, Regex, Syntax};
use std::collections::HashMap;
use std::rc::Rc;

/// Expressions kept compiled.
const CACHE_LIMIT: usize = 200;

/// An expression and its source.
pub struct Compiled {
    /// As written.
    pub source: Vec<u8>,
    /// Ready to match.
    pub regex: Regex,
}

/// Compiles an expression.
///
/// # Errors
///
/// The message about it.
pub fn compile(source: &[u8], ignore_case: bool) -> Result<Compiled, String> {
    let options = Options {
        ignore_case,
        escapes: Escapes::Awk,
        ..Options::new(Syntax::Extended)
    };
    match Regex::new(source, &options) {
        Ok(regex) => Ok(Compiled {
            source: source.to_vec(),
            regex,
        }),
        Err(error) => Err(format!("fatal: {error}: /{}/", String::from_utf8_lossy(source))),
    }
}

/// Dynamic expressions by their text.
#[derive(Default)]
pub struct Cache {
    by_text: HashMap<Vec<u8>, Rc<Compiled>>,
    ignore_case: bool,
    last: Option<Rc<Compiled>>,
}

impl Cache {
    /// Sets whether case matters from now on.
    pub fn set_ignore_case(&mut self, ignore_case: bool) {
        if self.ignore_case != ignore_case {
            self.by_text.clear();
            self.last = None;
            self.ignore_case = ignore_case;
        }
    }

    /// Whether case is ignored.
    pub fn ignores_case(&self) -> bool {
        self.ignore_case
    }

    /// The compiled form of `text`.
    ///
    /// # Errors
    ///
    /// As [`compile`].
    pub fn get(&mut self, text: &[u8]) -> Result<Rc<Compiled>, String> {
        if let Some(last) = self.last.as_ref().filter(|last| last.source == text) {
            return Ok(Rc::clone(last));
        }
        let found = match self.by_text.get(text) {
            Some(found) => Rc::clone(found),
            None => {
                if self.by_text.len() >= CACHE_LIMIT {
                    self.by_text.clear();
                }
                let made = Rc::new(compile(text, self.ignore_case)?);
                self.by_text.insert(text.to_vec(), Rc::clone(&made));
                made
            }
        };
        self.last = Some(Rc::clone(&found));
        Ok(found)
    }
}
