//! Markdown as rows of the terminal.
//!
//! A message arrives in pieces. [`settled`] tells how much of it no later piece can change, so that what stands above is printed
//! once; the rest is rendered again with each piece. Whatever a text says, rows are no wider than asked and the depth of what
//! is indented is bounded.

use super::span::{Color, Row, Span, Style, width};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Renders a text in rows of at most so many columns.
pub(crate) fn render(text: &str, columns: usize) -> Vec<Row> {
    let mut writer = Writer {
        columns,
        ..Writer::default()
    };
    let options = Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS;
    for event in Parser::new_ext(text, options) {
        writer.event(event);
    }
    writer.end_line();
    writer.rows
}

/// Bytes of the text that are rendered alike whatever follows: up to the last empty line outside of code after which something
/// begins at the margin. A text of one endless block is cut at a line.
pub(crate) fn settled(text: &str) -> usize {
    let (mut fence, mut empty, mut at, mut found) = (None, false, 0, 0);
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        if fence.is_none() && empty && !line.starts_with([' ', '\t', '\n', '\r']) {
            found = at;
        }
        match (fence, mark(trimmed)) {
            (None, Some(opened)) => fence = Some(opened),
            (Some((kind, least)), Some((closing, count)))
                if kind == closing
                    && count >= least
                    && trimmed.trim_end().chars().all(|character| character == kind) =>
            {
                fence = None;
            }
            _ => {}
        }
        empty = trimmed.is_empty();
        at += line.len();
    }
    if text.len() - found > ENDLESS {
        return text.rfind('\n').map_or(text.len(), |end| end + 1);
    }
    found
}

/// The fence that a line begins with.
fn mark(line: &str) -> Option<(char, usize)> {
    let kind = line.chars().next().filter(|kind| matches!(kind, '`' | '~'))?;
    let count = line.chars().take_while(|character| *character == kind).count();
    (count >= 3).then_some((kind, count))
}

/// Bytes of one block that are rendered again with each piece.
const ENDLESS: usize = 64 << 10;
/// Lists and quotes within each other that are indented.
const DEEPEST: usize = 8;

#[derive(Default)]
struct Writer {
    columns: usize,
    rows: Vec<Row>,
    line: Vec<Span>,
    style: Vec<Style>,
    /// What stands before each row: bars of quotes, room of lists.
    prefix: Vec<Span>,
    /// What stands before the next row in place of the last of the prefix: the mark of an item.
    mark: Option<Span>,
    /// Numbers of the lists.
    lists: Vec<Option<u64>>,
    code: bool,
    /// Addresses of links.
    links: Vec<String>,
    table: Vec<Vec<String>>,
    cell: Option<String>,
    /// An empty row is due before the next block.
    gap: bool,
}

impl Writer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.code => self.lines(&text, Style::color(Color::Green)),
            Event::Text(text) => self.text(self.current(), &text),
            Event::Code(text) => self.text(
                Style {
                    color: Some(Color::Cyan),
                    ..self.current()
                },
                &text,
            ),
            Event::SoftBreak => self.text(self.current(), " "),
            Event::HardBreak => self.end_line(),
            Event::Rule => {
                self.begin_block();
                self.text(Style::DIM, &"─".repeat(self.columns.min(40)));
                self.end_line();
                self.gap = true;
            }
            Event::TaskListMarker(done) => self.text(Style::PLAIN, if done { "☑ " } else { "☐ " }),
            Event::Html(text) | Event::InlineHtml(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.lines(&text, Style::DIM);
            }
            Event::FootnoteReference(text) => self.text(Style::DIM, &text),
        }
    }

    fn current(&self) -> Style {
        self.style.last().copied().unwrap_or_default()
    }

    fn push_style(&mut self, change: impl FnOnce(&mut Style)) {
        let mut style = self.current();
        change(&mut style);
        self.style.push(style);
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph => self.begin_block(),
            Tag::Heading { .. } => {
                self.begin_block();
                self.push_style(|style| {
                    style.bold = true;
                    style.color = Some(Color::Magenta);
                });
            }
            Tag::BlockQuote(_) => {
                self.begin_block();
                self.prefix.push(Span::new(Style::DIM, "│ "));
            }
            Tag::CodeBlock(kind) => {
                self.begin_block();
                self.code = true;
                if let CodeBlockKind::Fenced(language) = kind
                    && !language.is_empty()
                {
                    self.text(Style::DIM, &language);
                    self.end_line();
                }
                self.prefix.push(Span::new(Style::DIM, "  "));
            }
            Tag::List(number) => {
                if self.lists.is_empty() {
                    self.begin_block();
                }
                self.end_line();
                self.lists.push(number);
            }
            Tag::Item => self.item(),
            Tag::Emphasis => self.push_style(|style| style.italic = true),
            Tag::Strong => self.push_style(|style| style.bold = true),
            Tag::Strikethrough => self.push_style(|style| style.struck = true),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push(dest_url.to_string());
                self.push_style(|style| style.color = Some(Color::Blue));
            }
            Tag::Table(_) => self.begin_block(),
            Tag::TableHead | Tag::TableRow => self.table.push(Vec::new()),
            Tag::TableCell => self.cell = Some(String::new()),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph => self.end_block(),
            TagEnd::Heading(_) => {
                self.style.pop();
                self.end_block();
            }
            TagEnd::BlockQuote(_) => {
                self.end_line();
                self.prefix.pop();
                self.gap = true;
            }
            TagEnd::CodeBlock => {
                self.end_line();
                self.prefix.pop();
                self.code = false;
                self.gap = true;
            }
            TagEnd::List(_) => {
                self.end_line();
                self.lists.pop();
                self.gap = self.lists.is_empty();
            }
            TagEnd::Item => {
                self.end_line();
                self.mark = None;
                self.prefix.pop();
            }
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => drop(self.style.pop()),
            TagEnd::Link | TagEnd::Image => {
                self.style.pop();
                let address = self.links.pop().unwrap_or_default();
                // The text of a link may say anything: where it leads is shown beside it.
                self.text(Style::DIM, &format!(" ({address})"));
            }
            TagEnd::TableCell => {
                let cell = self.cell.take().unwrap_or_default();
                if let Some(row) = self.table.last_mut() {
                    row.push(cell);
                }
            }
            TagEnd::Table => self.end_table(),
            _ => {}
        }
    }

    fn item(&mut self) {
        self.end_line();
        self.gap = false;
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                let mark = format!("{number}. ");
                *number = number.saturating_add(1);
                mark
            }
            _ => "• ".to_owned(),
        };
        self.prefix.push(Span::plain(&" ".repeat(width(&mark))));
        self.mark = Some(Span::new(Style::color(Color::Yellow), &mark));
    }

    fn begin_block(&mut self) {
        self.end_line();
        if self.gap && self.mark.is_none() {
            let prefix = self.indent();
            self.rows.push(prefix);
        }
        self.gap = false;
    }

    fn end_block(&mut self) {
        self.end_line();
        self.gap = true;
    }

    /// Text within a line.
    fn text(&mut self, style: Style, text: &str) {
        match &mut self.cell {
            Some(cell) => cell.push_str(text),
            None => self.line.push(Span::new(style, text)),
        }
    }

    /// Text with line breaks.
    fn lines(&mut self, text: &str, style: Style) {
        for line in text.split_inclusive('\n') {
            self.text(style, line.trim_end_matches(['\n', '\r']));
            if line.ends_with('\n') && self.cell.is_none() {
                if self.line.is_empty() {
                    self.line.push(Span::plain(""));
                }
                self.end_line();
            }
        }
    }

    fn indent(&self) -> Row {
        Row(self.prefix.iter().take(DEEPEST).cloned().collect())
    }

    /// Puts the line into rows.
    fn end_line(&mut self) {
        if self.line.is_empty() && self.mark.is_none() {
            return;
        }
        let indent = self.indent();
        let mut row = indent.clone();
        if let Some(mark) = self.mark.take() {
            // Beyond the deepest there is no room of its own that the mark could take.
            if self.prefix.len() <= DEEPEST {
                row.0.pop();
            }
            row.0.push(mark);
        }
        row.0.append(&mut self.line);
        self.rows.extend(row.wrap(self.columns, &indent));
    }

    /// Columns as wide as their cells if that fits, else just their texts.
    fn end_table(&mut self) {
        let table = std::mem::take(&mut self.table);
        let cells: Vec<Vec<Span>> = table
            .iter()
            .map(|row| row.iter().map(|cell| Span::plain(cell)).collect())
            .collect();
        let text = |span: &Span| Row(vec![span.clone()]).text();
        let mut widths: Vec<usize> = Vec::new();
        for row in &cells {
            for (at, cell) in row.iter().enumerate() {
                let wide = width(&text(cell));
                match widths.get_mut(at) {
                    Some(known) => *known = wide.max(*known),
                    None => widths.push(wide),
                }
            }
        }
        let fits = widths.iter().map(|wide| wide + 3).sum::<usize>() <= self.columns;
        for (at, row) in cells.iter().enumerate() {
            let style = if at == 0 { Style::BOLD } else { Style::PLAIN };
            for (column, cell) in row.iter().enumerate() {
                if column > 0 {
                    self.line.push(Span::new(Style::DIM, " │ "));
                }
                let shown = text(cell);
                let room = widths.get(column).copied().unwrap_or(0).saturating_sub(width(&shown));
                let room = if fits && column + 1 < row.len() { room } else { 0 };
                self.line
                    .push(Span::new(style, &format!("{shown}{}", " ".repeat(room))));
            }
            self.end_line();
        }
        self.gap = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str, columns: usize) -> String {
        let rows: Vec<String> = render(text, columns).iter().map(Row::text).collect();
        rows.join("\n")
    }

    #[test]
    fn blocks_become_rows() {
        let text = "# Title\n\nSome *words* and `code`, [a link](http://x.example).\n\n- one\n- two\n  1. deep\n\n> quoted\n\n```sh\nls  -l\n\nx\n```\n\n---\n";
        let expected = "Title\n\nSome words and code, a link (http://x.example).\n\n• one\n• two\n  1. deep\n\n│ quoted\n\nsh\n  ls  -l\n\n  x\n\n";
        let shown = plain(text, 60);
        assert!(shown.starts_with(expected), "{shown}");
        assert!(render("**b**", 20)[0].paint(true).contains("\x1b[0;1mb"));
    }

    #[test]
    fn tables_are_aligned_where_they_fit() {
        let table = "|a|bb|\n|-|-|\n|long cell|c|\n";
        assert_eq!(plain(table, 40), "a         │ bb\nlong cell │ c");
        assert_eq!(plain(table, 10), "a │ bb\nlong cell\n│ c");
    }

    #[test]
    fn what_a_text_says_controls_nothing() {
        // Entities become characters after the text was parsed.
        let shown = plain(
            "a &#27;[2J &#x9b;1m `\x1b]0;t\x07`\n\n```\n\x1b[31m\n```\n\n<b\x1b>",
            80,
        );
        assert!(!shown.replace('\n', "").chars().any(char::is_control), "{shown:?}");
        let deep = "> ".repeat(400) + "x\n\n" + &"- ".repeat(300) + "y";
        for text in [
            deep.as_str(),
            "[![[![](",
            &"|".repeat(500),
            &"*a".repeat(500),
            "\0\u{202e}",
        ] {
            for row in render(text, 30) {
                assert!(width(&row.text()) <= 30, "{row:?}");
            }
        }
    }

    #[test]
    fn what_is_settled_is_rendered_alike_whatever_follows() {
        assert_eq!(settled("one\n\ntw"), 5);
        assert_eq!(settled("one\n\n"), 0);
        assert_eq!(settled("- a\n\n  more\n"), 0);
        assert_eq!(settled("```\na\n\nb\n"), 0);
        assert_eq!(settled("```\na\n\nb\n```\n\nc"), 14);
        assert_eq!(settled("~~~~\n```\n\nb\n~~~\n\nc"), 0);
        let endless = "x\n".repeat(ENDLESS);
        assert_eq!(settled(&endless), endless.len());
        let text = "# A\n\nwords and words\n\n1. x\n2. y\n\n```\na\n\nb\n```\n\nlast";
        for end in 0..=text.len() {
            let (head, rest) = text[..end].split_at(settled(&text[..end]));
            let mut rows = render(head, 12);
            if !rows.is_empty() && !rest.is_empty() {
                rows.push(Row::default());
            }
            rows.extend(render(rest, 12));
            let texts = |rows: &[Row]| rows.iter().map(Row::text).collect::<Vec<_>>();
            assert_eq!(texts(&rows), texts(&render(&text[..end], 12)), "{:?}", &text[..end]);
        }
    }
}
