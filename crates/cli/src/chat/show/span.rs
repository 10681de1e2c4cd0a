//! Text in a style, and the one door through which it reaches the terminal.
//!
//! Everything that an agent says is a guest's, and a guest must not control the terminal: a [`Span`] can only be made of text
//! whose control characters were replaced by what shows them. Escape sequences come from [`Style`] alone.

use std::fmt::Write;
use unicode_width::UnicodeWidthChar;

/// How text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Style {
    pub(crate) bold: bool,
    pub(crate) dim: bool,
    pub(crate) italic: bool,
    pub(crate) struck: bool,
    pub(crate) color: Option<Color>,
}

/// Colours of the terminal's own palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Color {
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
}

impl Style {
    pub(crate) const PLAIN: Self = Self {
        bold: false,
        dim: false,
        italic: false,
        struck: false,
        color: None,
    };
    pub(crate) const BOLD: Self = Self {
        bold: true,
        ..Self::PLAIN
    };
    pub(crate) const DIM: Self = Self {
        dim: true,
        ..Self::PLAIN
    };

    pub(crate) const fn color(color: Color) -> Self {
        Self {
            color: Some(color),
            ..Self::PLAIN
        }
    }

    fn escape(self) -> String {
        let mut escape = String::from("\x1b[0");
        for (on, code) in [(self.bold, 1), (self.dim, 2), (self.italic, 3), (self.struck, 9)] {
            if on {
                // Writing to a string cannot fail.
                let _ = write!(escape, ";{code}");
            }
        }
        if let Some(color) = self.color {
            let _ = write!(escape, ";{}", 31 + color as u8);
        }
        escape.push('m');
        escape
    }
}

/// Text in one style, safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    style: Style,
    text: String,
}

impl Span {
    pub(crate) fn new(style: Style, text: &str) -> Self {
        Self {
            style,
            text: safe(text),
        }
    }

    pub(crate) fn plain(text: &str) -> Self {
        Self::new(Style::PLAIN, text)
    }
}

/// Text with whatever could control a terminal, or turn the direction of what stands around it, shown instead of sent. Line
/// breaks are shown, too: who has lines makes spans of each.
pub(crate) fn safe(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => shown.push_str("    "),
            '\u{7f}' => shown.push('\u{2421}'),
            // The pictures of control characters stand in the order of the characters.
            '\0'..='\u{1f}' => shown.extend(char::from_u32(0x2400 + u32::from(character))),
            '\u{80}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => {
                let _ = write!(shown, "<U+{:04X}>", u32::from(character));
            }
            _ => shown.push(character),
        }
    }
    shown
}

/// Columns of text that is safe.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|character| character.width().unwrap_or(0)).sum()
}

/// A row of the terminal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Row(pub(crate) Vec<Span>);

impl Row {
    pub(crate) fn of(style: Style, text: &str) -> Self {
        Self(vec![Span::new(style, text)])
    }

    /// Its text without style.
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|span| span.text.as_str()).collect()
    }

    /// What is sent to the terminal.
    pub(crate) fn paint(&self, colored: bool) -> String {
        if !colored {
            return self.text();
        }
        let mut painted = String::new();
        for span in self.0.iter().filter(|span| !span.text.is_empty()) {
            match span.style {
                Style::PLAIN => painted.push_str(&span.text),
                style => {
                    let _ = write!(painted, "{}{}\x1b[0m", style.escape(), span.text);
                }
            }
        }
        painted
    }

    /// Rows of at most so many columns: broken at spaces if there are any, with `indent` before all but the first.
    pub(crate) fn wrap(self, columns: usize, indent: &Self) -> Vec<Self> {
        Wrap::new(columns, indent).all(&self)
    }
}

/// Breaks a row.
struct Wrap<'a> {
    columns: usize,
    indent: &'a Row,
    done: Vec<Row>,
    row: Vec<(Style, char)>,
    /// Place after the last space of the row.
    space: usize,
    used: usize,
}

impl<'a> Wrap<'a> {
    fn new(columns: usize, indent: &'a Row) -> Self {
        Self {
            columns: columns.max(4),
            indent,
            done: Vec::new(),
            row: Vec::new(),
            space: 0,
            used: 0,
        }
    }

    fn all(mut self, row: &Row) -> Vec<Row> {
        for span in &row.0 {
            for character in span.text.chars() {
                self.push(span.style, character);
            }
        }
        self.end();
        self.done
    }

    fn push(&mut self, style: Style, character: char) {
        let wide = character.width().unwrap_or(0);
        if self.used + wide > self.columns {
            // A word that is longer than a row is cut.
            let at = if self.space > 0 { self.space } else { self.row.len() };
            let rest = self.row.split_off(at);
            self.end();
            let start = self.row.len();
            // With the indent they may be too many again.
            for (style, character) in rest {
                self.push(style, character);
            }
            if character == ' ' && self.row.len() == start {
                return;
            }
        }
        self.row.push((style, character));
        self.used += wide;
        if character == ' ' {
            self.space = self.row.len();
        }
    }

    /// Ends a row; the next begins with the indent, unless that leaves no room.
    fn end(&mut self) {
        let mut row = Row::default();
        for (style, character) in std::mem::take(&mut self.row) {
            match row.0.last_mut() {
                Some(last) if last.style == style => last.text.push(character),
                _ => row.0.push(Span {
                    style,
                    text: character.to_string(),
                }),
            }
        }
        if let Some(last) = row.0.last_mut() {
            last.text.truncate(last.text.trim_end_matches(' ').len());
        }
        self.done.push(row);
        if width(&self.indent.text()) * 2 <= self.columns {
            let characters = |span: &Span| {
                span.text
                    .chars()
                    .map(|character| (span.style, character))
                    .collect::<Vec<_>>()
            };
            self.row = self.indent.0.iter().flat_map(characters).collect();
        }
        self.space = 0;
        self.used = width(&self.row.iter().map(|(_, character)| *character).collect::<String>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_controls_a_terminal_gets_through() {
        let every: String = (0..0x11_0000).filter_map(char::from_u32).collect();
        let shown = safe(&every);
        assert!(!shown.chars().any(char::is_control));
        assert!(!shown.contains(['\u{202e}', '\u{2066}', '\u{2028}']));
        assert_eq!(safe("\x1b]0;x\x07\u{9b}1m"), "␛]0;x␇<U+009B>1m");
        assert_eq!(safe("a\tb\rc"), "a    b␍c");
        // Colours are only ours.
        let row = Row(vec![
            Span::new(Style::color(Color::Red), "\x1b[2Jred"),
            Span::plain(" plain"),
        ]);
        assert_eq!(row.paint(true), "\x1b[0;31m␛[2Jred\x1b[0m plain");
        assert_eq!(row.paint(false), "␛[2Jred plain");
    }

    #[test]
    fn rows_break_at_spaces_and_have_room_for_wide_characters() {
        let wrap = |text: &str, columns: usize, indent: &str| -> Vec<String> {
            let rows = Row(vec![Span::plain(text)]).wrap(columns, &Row(vec![Span::plain(indent)]));
            rows.iter().map(Row::text).collect()
        };
        assert_eq!(wrap("one two three", 8, ""), ["one two", "three"]);
        assert_eq!(wrap("one two three", 8, "  "), ["one two", "  three"]);
        assert_eq!(wrap("abcdefghij", 4, ""), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("漢字漢字漢字", 5, ""), ["漢字", "漢字", "漢字"]);
        assert_eq!(wrap("", 5, ""), [""]);
        assert_eq!(wrap("1234 678", 4, ""), ["1234", "678"]);
        for text in ["a b ".repeat(40), "x".repeat(99), "é漢 ".repeat(30)] {
            let rows = wrap(&text, 11, "> ");
            assert!(rows.iter().all(|row| width(row) <= 11), "{rows:?}");
            let count = |text: &str| text.chars().filter(|c| !c.is_whitespace() && *c != '>').count();
            assert_eq!(count(&rows.concat()), count(&text));
        }
    }
}
