//! How rows are printed.

use rusqlite::types::Value;
use std::io::{self, Write};

/// An output mode.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Mode {
    #[default]
    List,
    Csv,
    Column,
    Json,
    Line,
    Tabs,
    Insert(String),
    Quote,
    Box,
    Table,
    Markdown,
    Html,
    Ascii,
}

impl Mode {
    /// The mode of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "list" => Self::List,
            "csv" => Self::Csv,
            "column" | "columns" => Self::Column,
            "json" => Self::Json,
            "line" | "lines" => Self::Line,
            "tabs" => Self::Tabs,
            "insert" => Self::Insert("table".to_owned()),
            "quote" => Self::Quote,
            "box" => Self::Box,
            "table" => Self::Table,
            "markdown" => Self::Markdown,
            "html" => Self::Html,
            "ascii" => Self::Ascii,
            _ => return None,
        })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Csv => "csv",
            Self::Column => "column",
            Self::Json => "json",
            Self::Line => "line",
            Self::Tabs => "tabs",
            Self::Insert(_) => "insert",
            Self::Quote => "quote",
            Self::Box => "box",
            Self::Table => "table",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Ascii => "ascii",
        }
    }
}

/// What output depends on.
#[derive(Clone, Debug)]
pub struct Settings {
    pub mode: Mode,
    /// Unset: as the mode usually has it.
    pub headers: Option<bool>,
    /// Columns have headers unless told otherwise: so when `.mode` set them, not when an option did.
    pub column_headers: bool,
    pub separator: String,
    pub newline: String,
    pub null: String,
    pub widths: Vec<i64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::List,
            headers: None,
            column_headers: false,
            separator: "|".to_owned(),
            newline: "\n".to_owned(),
            null: String::new(),
            widths: Vec::new(),
        }
    }
}

impl Settings {
    /// Sets a mode and the separators that belong to it.
    pub fn set_mode(&mut self, mode: Mode) {
        let (separator, newline) = match mode {
            Mode::Csv | Mode::Quote => (",", "\n"),
            Mode::Tabs => ("\t", "\n"),
            Mode::Ascii => ("\x1f", "\x1e"),
            _ => ("|", "\n"),
        };
        self.separator = separator.to_owned();
        self.newline = newline.to_owned();
        self.mode = mode;
    }

    fn headers(&self) -> bool {
        let usual = matches!(self.mode, Mode::Box | Mode::Table | Mode::Markdown);
        let usual = usual || (self.mode == Mode::Column && self.column_headers);
        self.headers.unwrap_or(usual)
    }
}

/// A real number with 15 digits, always with a point.
pub fn real_text(value: f64) -> String {
    real(value, 15)
}

/// As [`real_text`], with as many digits as it takes to read back the same.
pub fn exact_real(value: f64) -> String {
    let short = real(value, 15);
    if short.parse() == Ok(value) {
        short
    } else {
        real(value, 17)
    }
}

fn real(value: f64, digits: usize) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "Inf" } else { "-Inf" }.to_owned();
    }
    if value.is_nan() {
        return "NaN".to_owned();
    }
    let shown = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= digits as i32 {
        let mantissa = mantissa.trim_end_matches('0');
        let mantissa = if mantissa.ends_with('.') {
            format!("{mantissa}0")
        } else {
            mantissa.to_owned()
        };
        let mantissa = if mantissa.contains('.') {
            mantissa
        } else {
            format!("{mantissa}.0")
        };
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0);
    let fixed = format!("{value:.decimals$}");
    if !fixed.contains('.') {
        return format!("{fixed}.0");
    }
    let trimmed = fixed.trim_end_matches('0');
    if trimmed.ends_with('.') {
        format!("{trimmed}0")
    } else {
        trimmed.to_owned()
    }
}

/// A value as text.
pub fn text(value: &Value, null: &str) -> String {
    match value {
        Value::Null => null.to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => real_text(*number),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => {
            let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        }
    }
}

/// A value as SQL.
pub fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) if number.is_infinite() => if *number > 0.0 { "1e999" } else { "-1e999" }.to_owned(),
        Value::Real(number) => exact_real(*number),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Blob(bytes) => format!(
            "X'{}'",
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        ),
    }
}

/// Prints the rows of one statement.
pub struct Printer<'a> {
    settings: &'a Settings,
    names: Vec<String>,
    /// Rows of modes that need all of them before the first is printed.
    kept: Vec<Vec<String>>,
    rows: usize,
}

impl<'a> Printer<'a> {
    /// A printer for columns of these names.
    pub fn new(settings: &'a Settings, names: Vec<String>) -> Self {
        Self {
            settings,
            names,
            kept: Vec::new(),
            rows: 0,
        }
    }

    /// Takes a row.
    ///
    /// # Errors
    ///
    /// What writing says.
    pub fn row(&mut self, values: &[Value], out: &mut dyn Write) -> io::Result<()> {
        let s = self.settings;
        let first = self.rows == 0;
        self.rows += 1;
        match &s.mode {
            Mode::Column | Mode::Box | Mode::Table | Mode::Markdown => {
                self.kept
                    .push(values.iter().map(|value| text(value, &s.null)).collect());
                Ok(())
            }
            Mode::List | Mode::Tabs | Mode::Ascii => {
                if first && s.headers() {
                    write!(out, "{}{}", self.names.join(&s.separator), s.newline)?;
                }
                let cells: Vec<String> = values.iter().map(|value| text(value, &s.null)).collect();
                write!(out, "{}{}", cells.join(&s.separator), s.newline)
            }
            Mode::Csv => {
                let quoted = |cells: &[String]| {
                    cells
                        .iter()
                        .map(|cell| csv(cell, &s.separator))
                        .collect::<Vec<_>>()
                        .join(&s.separator)
                };
                if first && s.headers() {
                    write!(out, "{}{}", quoted(&self.names), s.newline)?;
                }
                let cells: Vec<String> = values
                    .iter()
                    .map(|value| match value {
                        Value::Null => s.null.clone(),
                        other => csv(&text(other, ""), &s.separator),
                    })
                    .collect();
                write!(out, "{}{}", cells.join(&s.separator), s.newline)
            }
            Mode::Quote => {
                if first && s.headers() {
                    let names: Vec<String> = self
                        .names
                        .iter()
                        .map(|name| literal(&Value::Text(name.clone())))
                        .collect();
                    write!(out, "{}{}", names.join(&s.separator), s.newline)?;
                }
                let cells: Vec<String> = values.iter().map(literal).collect();
                write!(out, "{}{}", cells.join(&s.separator), s.newline)
            }
            Mode::Insert(table) => {
                let names = if s.headers() {
                    format!("({})", self.names.join(","))
                } else {
                    String::new()
                };
                let cells: Vec<String> = values.iter().map(literal).collect();
                writeln!(
                    out,
                    "INSERT INTO {}{names} VALUES({});",
                    identifier(table),
                    cells.join(",")
                )
            }
            Mode::Line => {
                let width = self
                    .names
                    .iter()
                    .map(|name| name.chars().count())
                    .max()
                    .unwrap_or(0)
                    .max(5);
                if !first {
                    writeln!(out)?;
                }
                for (name, value) in self.names.iter().zip(values) {
                    writeln!(out, "{name:>width$} = {}", text(value, &s.null))?;
                }
                Ok(())
            }
            Mode::Json => {
                let cells = self
                    .names
                    .iter()
                    .zip(values)
                    .map(|(name, value)| format!("{}:{}", json(name), json_value(value)));
                let row = cells.collect::<Vec<_>>().join(",");
                write!(out, "{}{{{row}}}", if first { "[" } else { ",\n" })
            }
            Mode::Html => {
                if first && s.headers() {
                    let cells: Vec<String> = self
                        .names
                        .iter()
                        .map(|name| format!("<TH>{}</TH>", html(name)))
                        .collect();
                    writeln!(out, "<TR>{}\n</TR>", cells.join("\n"))?;
                }
                let cells: Vec<String> = values
                    .iter()
                    .map(|value| format!("<TD>{}</TD>", html(&text(value, &s.null))))
                    .collect();
                writeln!(out, "<TR>{}\n</TR>", cells.join("\n"))
            }
        }
    }

    /// Prints what waited for the last row.
    ///
    /// # Errors
    ///
    /// What writing says.
    pub fn finish(self, out: &mut dyn Write) -> io::Result<()> {
        match self.settings.mode {
            Mode::Json if self.rows > 0 => writeln!(out, "]"),
            Mode::Column | Mode::Box | Mode::Table | Mode::Markdown if self.rows > 0 => self.table(out),
            _ => Ok(()),
        }
    }

    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let length = |text: &str| text.chars().count();
        let widths: Vec<usize> = (0..self.names.len())
            .map(|column| {
                let natural = self
                    .kept
                    .iter()
                    .map(|row| length(&row[column]))
                    .chain([length(&self.names[column])])
                    .max();
                match self.settings.widths.get(column) {
                    Some(&width) if width != 0 => usize::try_from(width.unsigned_abs()).unwrap_or(1),
                    _ => natural.unwrap_or(0),
                }
            })
            .collect();
        if self.settings.mode == Mode::Column {
            return self.columns(&widths, out);
        }
        let bars: [&str; 4] = match self.settings.mode {
            Mode::Box => ["│ ", " │ ", " │", "─"],
            _ => ["| ", " | ", " |", "-"],
        };
        let rule = |left: &str, middle: &str, right: &str| {
            let parts: Vec<String> = widths.iter().map(|width| bars[3].repeat(width + 2)).collect();
            format!("{left}{}{right}\n", parts.join(middle))
        };
        let line = |cells: Vec<String>| format!("{}{}{}\n", bars[0], cells.join(bars[1]), bars[2]);
        let header = self.names.iter().zip(&widths).map(|(name, &width)| {
            let fill = width.saturating_sub(length(name));
            format!("{}{name}{}", " ".repeat(fill / 2), " ".repeat(fill - fill / 2))
        });
        let header = line(header.collect());
        let (top, middle, bottom) = match self.settings.mode {
            Mode::Box => (rule("┌", "┬", "┐"), rule("├", "┼", "┤"), rule("└", "┴", "┘")),
            Mode::Markdown => (String::new(), rule("|", "|", "|"), String::new()),
            _ => (rule("+", "+", "+"), rule("+", "+", "+"), rule("+", "+", "+")),
        };
        write!(out, "{top}{header}{middle}")?;
        for row in &self.kept {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| pad(cell, width));
            out.write_all(line(cells.collect()).as_bytes())?;
        }
        out.write_all(bottom.as_bytes())
    }

    fn columns(&self, widths: &[usize], out: &mut dyn Write) -> io::Result<()> {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells
                .iter()
                .zip(widths)
                .map(|(cell, &width)| pad(cell, width))
                .collect();
            cells.join("  ")
        };
        if self.settings.headers() {
            let dashes: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            writeln!(out, "{}\n{}", line(&self.names), dashes.join("  "))?;
        }
        for row in &self.kept {
            writeln!(out, "{}", line(row))?;
        }
        Ok(())
    }
}

fn pad(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length > width {
        return text.chars().take(width).collect();
    }
    format!("{text}{}", " ".repeat(width - length))
}

/// A name, in double quotes when it is no plain identifier.
pub fn identifier(name: &str) -> String {
    let plain =
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain && !name.is_empty() {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

fn csv(text: &str, separator: &str) -> String {
    let special = |c: char| c <= ' ' || matches!(c, '"' | '\'' | '\x7f'..);
    if text.is_empty() || text.contains(special) || text.contains(separator) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn json(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\x1f' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

fn json_value(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) if number.is_infinite() => if *number > 0.0 { "1e999" } else { "-1e999" }.to_owned(),
        Value::Real(number) => real_text(*number),
        Value::Text(text) => json(text),
        Value::Blob(bytes) => json(&String::from_utf8_lossy(bytes)),
    }
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
