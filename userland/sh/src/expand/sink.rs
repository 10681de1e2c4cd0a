//! Where expanded text goes.

use std::rc::Rc;

use crate::pattern;
use crate::shell::Shell;

/// What a word is expanded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Arguments: split, and file names looked for.
    Fields,
    /// One text.
    Text,
    /// A pattern, in which quoted characters are escaped.
    Pattern,
    /// A regular expression, in which quoted characters are escaped.
    Regex,
    /// The replacement of `${x/pattern/...}`, in which a quoted `&` is escaped.
    Replacement,
}

/// A field: its text, and its pattern if it has one.
pub type Field = (String, Option<String>);

/// Gathers the pieces of a word.
pub struct Sink {
    purpose: Purpose,
    done: Vec<Field>,
    text: String,
    glob: Option<String>,
    open: bool,
    after_blank: bool,
    ifs: Rc<str>,
    extglob: bool,
    /// Literal text is split too: it is an operand of an unquoted `${...}`.
    pub(super) split_literals: bool,
}

impl Sink {
    pub(super) fn new(purpose: Purpose, shell: &mut Shell) -> Self {
        Self {
            purpose,
            done: Vec::new(),
            text: String::new(),
            glob: None,
            open: false,
            after_blank: false,
            ifs: shell.ifs(),
            extglob: shell.shopts.extglob,
            split_literals: false,
        }
    }

    /// Whether the result is one text.
    pub(super) fn is_single(&self) -> bool {
        self.purpose != Purpose::Fields
    }

    /// The first character of `IFS`, between the elements of `"$*"`.
    pub(super) fn joint(&self) -> String {
        self.ifs.chars().take(1).collect()
    }

    /// A field exists here even if it stays empty.
    pub(super) fn open(&mut self) {
        self.open = true;
    }

    /// Unquoted text of the script.
    pub(super) fn literal(&mut self, text: &str) {
        if self.split_literals && !self.is_single() {
            return self.expanded(text);
        }
        match self.purpose {
            Purpose::Fields => self.push_active(text),
            _ => self.text.push_str(text),
        }
        self.open |= !text.is_empty();
    }

    /// Quoted text.
    pub(super) fn quoted(&mut self, text: &str) {
        self.open = true;
        match self.purpose {
            Purpose::Fields => {
                self.text.push_str(text);
                if let Some(glob) = &mut self.glob {
                    pattern::escape(text, glob);
                }
            }
            Purpose::Text => self.text.push_str(text),
            Purpose::Pattern => pattern::escape(text, &mut self.text),
            Purpose::Regex => {
                for c in text.chars() {
                    if c.is_ascii_punctuation() && c != '_' {
                        self.text.push('\\');
                    }
                    self.text.push(c);
                }
            }
            Purpose::Replacement => {
                for c in text.chars() {
                    if c == '&' || c == '\\' {
                        self.text.push('\\');
                    }
                    self.text.push(c);
                }
            }
        }
    }

    /// The result of an expansion.
    pub(super) fn value(&mut self, text: &str, quoted: bool) {
        if quoted { self.quoted(text) } else { self.expanded(text) }
    }

    fn push_active(&mut self, text: &str) {
        if self.glob.is_none() && pattern::is_special(text, self.extglob) {
            let mut glob = String::with_capacity(self.text.len() + text.len());
            pattern::escape(&self.text, &mut glob);
            self.glob = Some(glob);
        }
        self.text.push_str(text);
        if let Some(glob) = &mut self.glob {
            glob.push_str(text);
        }
    }

    /// The result of an unquoted expansion: it is split.
    fn expanded(&mut self, text: &str) {
        if self.is_single() {
            self.text.push_str(text);
            return;
        }
        if text.is_empty() {
            return;
        }
        let ifs = Rc::clone(&self.ifs);
        if !text.contains(|c| ifs.contains(c)) {
            self.push_active(text);
            self.open = true;
            self.after_blank = false;
            return;
        }
        let mut rest = text;
        while let Some(at) = rest.find(|c| ifs.contains(c)) {
            if at > 0 {
                self.push_active(&rest[..at]);
                self.open = true;
                self.after_blank = false;
            }
            let c = rest[at..].chars().next().unwrap_or(' ');
            self.separator(c);
            rest = &rest[at + c.len_utf8()..];
        }
        if !rest.is_empty() {
            self.push_active(rest);
            self.open = true;
            self.after_blank = false;
        }
    }

    fn separator(&mut self, c: char) {
        let blank = matches!(c, ' ' | '\t' | '\n');
        if self.open {
            self.close();
            self.after_blank = blank;
        } else if !blank {
            if !self.after_blank {
                self.open = true;
                self.close();
            }
            self.after_blank = false;
        }
    }

    fn close(&mut self) {
        if self.open {
            self.done.push((std::mem::take(&mut self.text), self.glob.take()));
            self.open = false;
        }
    }

    /// The end of one element of a list and the beginning of the next.
    pub(super) fn next_element(&mut self, quoted: bool) {
        if self.is_single() {
            return self.quoted(" ");
        }
        if quoted {
            self.open = true;
        }
        self.close();
        self.after_blank = false;
    }

    pub(super) fn fields(mut self) -> Vec<Field> {
        self.close();
        self.done
    }

    pub(super) fn text(self) -> String {
        self.text
    }
}
