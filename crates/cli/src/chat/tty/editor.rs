//! The line that is typed: a text, a cursor, and the lines of before.
//!
//! Keys in, text out; no terminal is known here. The keys are those of every shell.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_width::UnicodeWidthChar;

/// What a key did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Typed {
    /// The line changed, or nothing did.
    Edited,
    /// It is done.
    Line(String),
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D on an empty line.
    End,
    /// Ctrl-L.
    Clear,
}

/// An editor.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    text: String,
    /// Place in bytes, at a character.
    cursor: usize,
    history: Vec<String>,
    /// Which line of the history is shown; its end is the line that was being typed, which is kept here.
    at: usize,
    draft: String,
    killed: String,
}

/// Lines that are remembered, and the longest one that can be typed or pasted.
const REMEMBERED: usize = 1000;
const LONGEST: usize = 1 << 20;

impl Editor {
    /// An editor that knows these lines, oldest first.
    pub(crate) fn new(history: Vec<String>) -> Self {
        let mut editor = Self::default();
        history.into_iter().for_each(|line| editor.remember(&line));
        editor
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn cursor(&self) -> usize {
        self.cursor
    }

    pub(crate) fn history(&self) -> &[String] {
        &self.history
    }

    fn remember(&mut self, line: &str) {
        if self.history.last().is_none_or(|last| last != line) {
            self.history.push(line.to_owned());
        }
        if self.history.len() > REMEMBERED {
            self.history.remove(0);
        }
        self.at = self.history.len();
    }

    /// Inserts what was pasted, line breaks and all.
    pub(crate) fn paste(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        for character in text.chars() {
            if !character.is_control() || character == '\n' || character == '\t' {
                self.insert(character);
            }
        }
    }

    /// Takes a key.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Typed {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Enter if alt => self.insert('\n'),
            KeyCode::Enter => return self.enter(),
            KeyCode::Char(letter) if control => return self.control(letter.to_ascii_lowercase()),
            KeyCode::Char('b') if alt => self.cursor = self.word_left(),
            KeyCode::Char('f') if alt => self.cursor = self.word_right(),
            KeyCode::Char('d') if alt => self.kill(self.cursor, self.word_right()),
            KeyCode::Backspace if alt => self.kill(self.word_left(), self.cursor),
            KeyCode::Char(letter) if !alt => self.insert(letter),
            KeyCode::Backspace => self.remove(self.left(), self.cursor),
            KeyCode::Delete => self.remove(self.cursor, self.right()),
            KeyCode::Left if control || alt => self.cursor = self.word_left(),
            KeyCode::Right if control || alt => self.cursor = self.word_right(),
            KeyCode::Left => self.cursor = self.left(),
            KeyCode::Right => self.cursor = self.right(),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            KeyCode::Up => self.browse(self.at.checked_sub(1)),
            KeyCode::Down => self.browse(Some(self.at + 1)),
            KeyCode::Tab => self.complete(),
            _ => {}
        }
        Typed::Edited
    }

    fn control(&mut self, letter: char) -> Typed {
        match letter {
            'c' => return Typed::Interrupt,
            'd' if self.text.is_empty() => return Typed::End,
            'd' => self.remove(self.cursor, self.right()),
            'l' => return Typed::Clear,
            'a' => self.cursor = 0,
            'e' => self.cursor = self.text.len(),
            'b' => self.cursor = self.left(),
            'f' => self.cursor = self.right(),
            'h' => self.remove(self.left(), self.cursor),
            'j' | 'm' => return self.enter(),
            'k' => self.kill(self.cursor, self.text.len()),
            'u' => self.kill(0, self.cursor),
            'w' => self.kill(self.word_left(), self.cursor),
            'y' => self.killed.clone().chars().for_each(|character| self.insert(character)),
            'p' => self.browse(self.at.checked_sub(1)),
            'n' => self.browse(Some(self.at + 1)),
            _ => {}
        }
        Typed::Edited
    }

    fn enter(&mut self) -> Typed {
        let line = self.take();
        if !line.trim().is_empty() {
            self.remember(&line);
        }
        Typed::Line(line)
    }

    /// Empties the line.
    pub(crate) fn take(&mut self) -> String {
        self.cursor = 0;
        self.at = self.history.len();
        self.draft.clear();
        std::mem::take(&mut self.text)
    }

    fn insert(&mut self, character: char) {
        if self.text.len() + character.len_utf8() <= LONGEST {
            self.text.insert(self.cursor, character);
            self.cursor += character.len_utf8();
        }
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
    }

    fn kill(&mut self, from: usize, to: usize) {
        self.killed = self.text.get(from..to).unwrap_or_default().to_owned();
        self.remove(from, to);
    }

    /// Shows another line of the history.
    fn browse(&mut self, to: Option<usize>) {
        let Some(to) = to.filter(|to| *to <= self.history.len()) else {
            return;
        };
        if self.at == self.history.len() {
            self.draft.clone_from(&self.text);
        }
        self.at = to;
        self.text = self.history.get(to).unwrap_or(&self.draft).clone();
        self.cursor = self.text.len();
    }

    /// Completes the name of a command.
    fn complete(&mut self) {
        let (typed, rest) = self.text.split_at(self.cursor);
        if !rest.is_empty() || !typed.starts_with('/') {
            return;
        }
        let names = super::super::command::COMMANDS.iter().map(|(name, ..)| *name);
        let fitting: Vec<&str> = names.filter(|name| name.starts_with(typed)).collect();
        if let [first, others @ ..] = fitting.as_slice() {
            let shared = first.char_indices().map(|(at, letter)| at + letter.len_utf8());
            let shared = shared
                .filter(|end| others.iter().all(|other| other.get(..*end) == first.get(..*end)))
                .max();
            self.text = first.get(..shared.unwrap_or(0)).unwrap_or(first).to_owned();
            if others.is_empty() {
                self.text.push(' ');
            }
            self.cursor = self.text.len();
        }
    }

    /// The place before the character, with what stands upon it, that is left of the cursor.
    fn left(&self) -> usize {
        let before = self.text.get(..self.cursor).unwrap_or_default();
        let start = before
            .char_indices()
            .rev()
            .find(|(_, character)| character.width() != Some(0));
        start.map_or(0, |(at, _)| at)
    }

    fn right(&self) -> usize {
        let after = self.text.get(self.cursor..).unwrap_or_default();
        let next = after
            .char_indices()
            .skip(1)
            .find(|(_, character)| character.width() != Some(0));
        next.map_or(self.text.len(), |(at, _)| self.cursor + at)
    }

    fn word_left(&self) -> usize {
        let before = self.text.get(..self.cursor).unwrap_or_default().trim_end();
        before
            .char_indices()
            .rev()
            .find(|(_, character)| character.is_whitespace())
            .map_or(0, |(at, space)| at + space.len_utf8())
    }

    fn word_right(&self) -> usize {
        let after = self.text.get(self.cursor..).unwrap_or_default();
        let spaces = after.len() - after.trim_start().len();
        let word = after
            .trim_start()
            .find(char::is_whitespace)
            .unwrap_or(after.trim_start().len());
        self.cursor + spaces + word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(editor: &mut Editor, keys: &[(KeyCode, KeyModifiers)]) -> Typed {
        let mut last = Typed::Edited;
        for (code, modifiers) in keys {
            last = editor.key(KeyEvent::new(*code, *modifiers));
        }
        last
    }

    fn control(letter: char) -> (KeyCode, KeyModifiers) {
        (KeyCode::Char(letter), KeyModifiers::CONTROL)
    }

    const fn plain(code: KeyCode) -> (KeyCode, KeyModifiers) {
        (code, KeyModifiers::NONE)
    }

    #[test]
    fn lines_are_edited_as_in_a_shell() {
        let mut editor = Editor::default();
        editor.paste("one two three");
        press(
            &mut editor,
            &[
                control('w'),
                control('a'),
                plain(KeyCode::Char('X')),
                control('e'),
                control('y'),
            ],
        );
        assert_eq!(editor.text(), "Xone two three");
        press(&mut editor, &[(KeyCode::Left, KeyModifiers::CONTROL), control('k')]);
        assert_eq!(editor.text(), "Xone two ");
        press(
            &mut editor,
            &[
                plain(KeyCode::Home),
                plain(KeyCode::Delete),
                (KeyCode::Char('f'), KeyModifiers::ALT),
                control('u'),
            ],
        );
        assert_eq!((editor.text(), editor.cursor()), (" two ", 0));
        assert_eq!(
            press(&mut editor, &[control('d'), control('e'), plain(KeyCode::Backspace)]),
            Typed::Edited
        );
        assert_eq!(
            press(&mut editor, &[plain(KeyCode::Enter)]),
            Typed::Line("two".to_owned())
        );
        assert_eq!(press(&mut editor, &[control('d')]), Typed::End);
        assert_eq!(press(&mut editor, &[control('c')]), Typed::Interrupt);
    }

    #[test]
    fn characters_of_several_parts_are_one() {
        let mut editor = Editor::default();
        editor.paste("ae\u{301}漢");
        press(&mut editor, &[plain(KeyCode::Left), plain(KeyCode::Backspace)]);
        assert_eq!((editor.text(), editor.cursor()), ("a漢", 1));
        press(
            &mut editor,
            &[plain(KeyCode::Home), plain(KeyCode::Right), plain(KeyCode::Delete)],
        );
        assert_eq!(editor.text(), "a");
        editor.paste("\x1b[31m\r\nnext\u{9b}");
        assert_eq!(editor.text(), "a[31m\nnext");
    }

    #[test]
    fn history_is_browsed_and_the_draft_comes_back() {
        let mut editor = Editor::new(vec!["first".to_owned(), "second".to_owned(), "second".to_owned()]);
        editor.paste("draft");
        let (up, down) = (plain(KeyCode::Up), plain(KeyCode::Down));
        press(&mut editor, &[up, up, up]);
        assert_eq!(editor.text(), "first");
        press(&mut editor, &[down, down, down]);
        assert_eq!(editor.text(), "draft");
        press(&mut editor, &[up, plain(KeyCode::Enter), up, up]);
        assert_eq!((editor.text(), editor.history().len()), ("first", 2));
    }

    #[test]
    fn commands_are_completed() {
        for (typed, expected) in [
            ("/h", "/help "),
            ("/mo", "/mode"),
            ("/mod", "/mode"),
            ("/x", "/x"),
            ("h", "h"),
            ("/model", "/model "),
        ] {
            let mut editor = Editor::default();
            editor.paste(typed);
            press(&mut editor, &[plain(KeyCode::Tab)]);
            assert_eq!(editor.text(), expected);
        }
    }
}
