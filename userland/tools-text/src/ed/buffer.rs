//! The text: lines with marks that follow them, and one step of undo.

use std::collections::HashMap;
use std::rc::Rc;

/// A line; shared with the undo copy.
#[derive(Clone)]
pub struct Line {
    /// Its text without newline.
    pub text: Rc<Vec<u8>>,
    /// What tells it from others with the same text.
    pub id: u64,
}

/// The text and where the editor stands in it.
#[derive(Clone, Default)]
pub struct Buffer {
    lines: Vec<Line>,
    /// The current line, from 1; 0 before the first.
    pub current: usize,
    marks: HashMap<u8, u64>,
    next_id: u64,
}

impl Buffer {
    /// Number of lines.
    pub fn last(&self) -> usize {
        self.lines.len()
    }

    /// A line's text, from 1.
    pub fn text(&self, number: usize) -> &[u8] {
        self.lines
            .get(number.wrapping_sub(1))
            .map_or(b"", |line| line.text.as_slice())
    }

    /// What identifies a line.
    pub fn id(&self, number: usize) -> Option<u64> {
        self.lines.get(number.wrapping_sub(1)).map(|line| line.id)
    }

    /// Where the line with this identity is.
    pub fn find(&self, id: u64) -> Option<usize> {
        self.lines.iter().position(|line| line.id == id).map(|at| at + 1)
    }

    /// Inserts lines behind line `after`; the last of them becomes current.
    pub fn insert(&mut self, after: usize, texts: Vec<Vec<u8>>) {
        let count = texts.len();
        let first = self.next_id;
        self.next_id += count as u64;
        let lines = texts.into_iter().zip(first..).map(|(text, id)| Line {
            text: Rc::new(text),
            id,
        });
        self.lines.splice(after..after, lines);
        self.current = after + count;
    }

    /// Removes lines; the one behind them becomes current, or the last.
    pub fn delete(&mut self, from: usize, to: usize) {
        self.lines.drain(from - 1..to);
        self.current = from.min(self.lines.len());
    }

    /// Replaces the text of a line.
    pub fn set(&mut self, number: usize, text: Vec<u8>) {
        if let Some(line) = self.lines.get_mut(number.wrapping_sub(1)) {
            line.text = Rc::new(text);
        }
    }

    /// Moves lines behind line `after`, which is not among them.
    pub fn move_lines(&mut self, from: usize, to: usize, after: usize) {
        let lines: Vec<Line> = self.lines.drain(from - 1..to).collect();
        let count = lines.len();
        let at = if after >= to { after - count } else { after };
        self.lines.splice(at..at, lines);
        self.current = at + count;
    }

    /// The texts of lines.
    pub fn copy(&self, from: usize, to: usize) -> Vec<Vec<u8>> {
        self.lines[from - 1..to].iter().map(|line| line.text.to_vec()).collect()
    }

    /// Marks a line.
    pub fn mark(&mut self, name: u8, number: usize) {
        if let Some(id) = self.id(number) {
            self.marks.insert(name, id);
        }
    }

    /// The line that carries a mark.
    pub fn marked(&self, name: u8) -> Option<usize> {
        self.find(*self.marks.get(&name)?)
    }
}
