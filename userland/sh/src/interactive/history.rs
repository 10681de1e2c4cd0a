//! The history: lines of this session and of a file.

use crate::text;

/// Lines kept when `HISTSIZE` does not say.
const DEFAULT_SIZE: usize = 1000;

/// The history of commands.
#[derive(Debug, Default)]
pub struct History {
    lines: Vec<String>,
    /// Number of the first line, less one.
    dropped: usize,
    limit: Option<usize>,
    /// This shell does not write the file.
    detached: bool,
}

impl History {
    /// All lines, the oldest first.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Sets how many lines are kept.
    pub fn set_limit(&mut self, limit: Option<usize>) {
        self.limit = limit;
        self.trim();
    }

    fn trim(&mut self) {
        let most = self.limit.unwrap_or(DEFAULT_SIZE);
        if self.lines.len() > most {
            let excess = self.lines.len() - most;
            self.lines.drain(..excess);
            self.dropped += excess;
        }
    }

    /// Adds a line, as `HISTCONTROL` (`control`) wants it.
    pub fn add(&mut self, line: &str, control: &str) {
        let line = line.trim_end_matches('\n');
        let has = |word: &str| {
            control
                .split(':')
                .any(|w| w == word || w == "ignoreboth" && word.starts_with("ignore"))
        };
        if line.trim().is_empty() || has("ignorespace") && line.starts_with(' ') {
            return;
        }
        if has("ignoredups") && self.lines.last().is_some_and(|last| last == line) {
            return;
        }
        if has("erasedups") {
            self.lines.retain(|l| l != line);
        }
        self.lines.push(line.to_owned());
        self.trim();
    }

    /// Puts a line in place of the last one.
    pub fn replace_last(&mut self, line: String) {
        self.lines.pop();
        self.lines.push(line);
    }

    /// Forgets all lines.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.dropped = 0;
    }

    /// Index of the line with a number; a negative one counts from the end.
    pub fn place(&self, number: i64) -> Option<usize> {
        let len = self.lines.len();
        let index = if number < 0 {
            len.checked_sub(usize::try_from(number.unsigned_abs()).ok()?)?
        } else {
            usize::try_from(number).ok()?.checked_sub(self.dropped + 1)?
        };
        (index < len).then_some(index)
    }

    /// Removes a line by its index.
    pub fn remove(&mut self, index: usize) {
        self.lines.remove(index);
    }

    /// The last lines with their numbers.
    pub fn numbered(&self, count: usize) -> Vec<(usize, String)> {
        let skip = self.lines.len().saturating_sub(count);
        let numbers = self.dropped + 1..;
        numbers.zip(self.lines.iter().cloned()).skip(skip).collect()
    }

    /// Number that the next line gets.
    pub fn next_number(&self) -> usize {
        self.dropped + self.lines.len() + 1
    }

    /// Adds the lines of a file.
    pub fn load(&mut self, path: &str) {
        if let Ok(bytes) = std::fs::read(text::to_os(path)) {
            let text = text::decode(bytes);
            self.lines
                .extend(text.lines().filter(|l| !l.is_empty()).map(str::to_owned));
            self.trim();
        }
    }

    /// Writes all lines to a file. There is no one to tell when that fails.
    pub fn save(&self, path: &str) {
        if self.detached || path.is_empty() {
            return;
        }
        let text: String = self.lines.iter().map(|l| format!("{l}\n")).collect();
        let _ = std::fs::write(text::to_os(path), text::encode(&text));
    }

    /// This is a copy of the shell: the file is the parent's to write.
    pub fn detach(&mut self) {
        self.detached = true;
    }

    /// Replaces `!!`, `!n`, `!-n`, `!text`, `!?text?`, `!$`, `!^`, `!*` and `^old^new`. `None` if nothing was replaced, an error if an
    /// event is not found.
    pub fn expand(&self, line: &str) -> Result<Option<String>, String> {
        if let Some(change) = line.strip_prefix('^') {
            let mut pieces = change.trim_end_matches('\n').splitn(3, '^');
            let (old, new) = (pieces.next().unwrap_or_default(), pieces.next().unwrap_or_default());
            let last = self.lines.last().filter(|l| l.contains(old) && !old.is_empty());
            let last = last.ok_or_else(|| format!(":s{}: substitution failed", change.trim_end()))?;
            return Ok(Some(last.replacen(old, new, 1) + "\n"));
        }
        let mut out = String::new();
        let mut rest = line;
        let mut single = false;
        let mut changed = false;
        while let Some(c) = rest.chars().next() {
            let after = &rest[c.len_utf8()..];
            match c {
                '\'' => single = !single,
                '\\' => {
                    out.push(c);
                    if let Some(next) = after.chars().next() {
                        out.push(next);
                        rest = &after[next.len_utf8()..];
                        continue;
                    }
                }
                '!' if !single
                    && !after.starts_with(|c: char| c.is_whitespace() || c == '=' || c == '(' || c == '"')
                    && !after.is_empty() =>
                {
                    let (text, used) = self.event(after)?;
                    out.push_str(&text);
                    rest = &after[used..];
                    changed = true;
                    continue;
                }
                _ => {}
            }
            out.push(c);
            rest = after;
        }
        Ok(changed.then_some(out))
    }

    /// The text of an event after its `!`, and how long its designator is.
    fn event(&self, text: &str) -> Result<(String, usize), String> {
        let last = || {
            self.lines
                .last()
                .cloned()
                .ok_or_else(|| "!!: event not found".to_owned())
        };
        let words = |line: String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        match text.as_bytes()[0] {
            b'!' => return Ok((last()?, 1)),
            b'$' => return Ok((words(last()?).pop().unwrap_or_default(), 1)),
            b'^' => return Ok((words(last()?).into_iter().nth(1).unwrap_or_default(), 1)),
            b'*' => return Ok((words(last()?).into_iter().skip(1).collect::<Vec<_>>().join(" "), 1)),
            _ => {}
        }
        let len = text
            .find(|c: char| c.is_whitespace() || ";|&()<>\"'".contains(c))
            .unwrap_or(text.len());
        let word = &text[..len];
        let found = match word.parse::<i64>() {
            Ok(n) => self.place(n).map(|i| &self.lines[i]),
            Err(_) => match word.strip_prefix('?') {
                Some(part) => self.lines.iter().rev().find(|l| l.contains(part.trim_end_matches('?'))),
                None => self.lines.iter().rev().find(|l| l.starts_with(word)),
            },
        };
        found
            .cloned()
            .map(|line| (line, len))
            .ok_or_else(|| format!("!{word}: event not found"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events() {
        let mut history = History::default();
        history.add("echo one two", "");
        history.add("ls /tmp", "");
        for (line, expected) in [
            ("!!", Some("ls /tmp")),
            ("cat !$", Some("cat /tmp")),
            ("!ec", Some("echo one two")),
            ("!1 x", Some("echo one two x")),
            ("^tmp^etc", Some("ls /etc\n")),
            ("echo 'hi!!'", None),
            ("[ ! -e x ]", None),
        ] {
            assert_eq!(history.expand(line), Ok(expected.map(str::to_owned)), "{line}");
        }
        assert!(history.expand("!nope").is_err());
    }

    #[test]
    fn the_history_is_bounded_and_numbers_go_on() {
        let mut history = History::default();
        history.set_limit(Some(2));
        for line in ["a", "b", "b", "c"] {
            history.add(line, "ignoredups");
        }
        assert_eq!(history.numbered(9), [(2, "b".to_owned()), (3, "c".to_owned())]);
    }
}
