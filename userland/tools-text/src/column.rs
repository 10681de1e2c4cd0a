//! `column`: lists in columns, and tables.

use crate::cli::{self, Arg, Parser};
use crate::io::{complain, complain_file, open, read_record, shown, stdout};
use std::ffi::OsString;
use std::io::{self, Write};

const SPECS: &[&str] = &[
    "t,table",
    "s,separator=",
    "o,output-separator=",
    "c,output-width=",
    "x,fillrows",
    "e,table-header-repeat",
    "N,table-columns=",
    "R,table-right=",
    "H,table-hide=",
    "E,table-noextreme=",
    "O,table-order=",
    "d,table-noheadings",
    "l,table-columns-limit=",
    "L,table-empty-lines,keep-empty-lines",
    "J,json",
    "n,table-name=",
    "T,table-truncate=",
    "W,table-wrap=",
    "m,table-maxout",
    "h,help",
    "V,version",
    "S,use-spaces=",
    "C,table-column=",
];

const HELP: &str = "\
Usage: column [options] [<file>...]

  -t, --table                    create a table
  -s, --separator CHARS          possible table delimiters
  -o, --output-separator STRING  columns separator for table output; default is two spaces
  -N, --table-columns NAMES      comma separated columns names
  -R, --table-right COLUMNS      right align text in these columns
  -H, --table-hide COLUMNS       don't print the columns
  -O, --table-order COLUMNS      specify order of output columns
  -d, -l N, -L, -J, -n NAME      no headings, limit of columns, keep empty lines, JSON, its name
  -c, --output-width WIDTH       width of output in number of characters
  -x, --fillrows                 fill rows before columns
";

#[derive(Default)]
struct Options {
    table: bool,
    separators: Option<Vec<char>>,
    output: Option<String>,
    width: Option<usize>,
    rows_first: bool,
    names: Vec<String>,
    right: Vec<String>,
    hide: Vec<String>,
    order: Vec<String>,
    no_headings: bool,
    limit: Option<usize>,
    keep_empty: bool,
    json: bool,
    title: String,
}

/// The applet.
pub fn column(args: Vec<OsString>) -> i32 {
    let mut o = Options {
        title: "table".into(),
        ..Options::default()
    };
    let mut files = Vec::new();
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Err(message) => {
                complain("column", message);
                eprintln!("Try 'column --help' for more information.");
                return 1;
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(file))) => files.push(file),
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("column"),
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = o.apply(key, &value.unwrap_or_default()) {
                    complain("column", message);
                    return 1;
                }
            }
        }
    }
    if files.is_empty() {
        files.push("-".into());
    }
    let mut status = 0;
    let mut lines = Vec::new();
    for file in &files {
        if let Err(error) = read_lines(file, &o, &mut lines) {
            complain_file("column", file, &error);
            status = 1;
        }
    }
    let mut out = stdout();
    let outcome = if o.table {
        table(&o, &lines, &mut out)
    } else {
        list(&o, &lines, &mut out)
    };
    match outcome.and_then(|()| out.flush()) {
        Ok(()) => status,
        Err(_) => 1,
    }
}

impl Options {
    fn apply(&mut self, key: &str, value: &OsString) -> Result<(), String> {
        let text = shown(value);
        let list = || text.split(',').map(str::to_owned).collect::<Vec<String>>();
        match key {
            "table" => self.table = true,
            "separator" => self.separators = Some(unescape(&text).chars().collect()),
            "output-separator" => self.output = Some(unescape(&text)),
            "output-width" => {
                self.width = Some(match text.as_str() {
                    "unlimited" => usize::MAX,
                    _ => text
                        .parse()
                        .map_err(|_| format!("invalid columns argument: '{text}'"))?,
                });
            }
            "fillrows" => self.rows_first = true,
            "table-columns" => self.names = list(),
            "table-right" => self.right = list(),
            "table-hide" => self.hide = list(),
            "table-order" => self.order = list(),
            "table-noheadings" => self.no_headings = true,
            "table-columns-limit" => self.limit = text.parse().ok().filter(|&n| n > 0),
            "keep-empty-lines" => self.keep_empty = true,
            "json" => (self.json, self.table) = (true, true),
            "table-name" => self.title = text,
            _ => {}
        }
        Ok(())
    }

    /// Whether a column, by number from 0, is in a list of names and numbers.
    fn lists(&self, list: &[String], column: usize) -> bool {
        list.iter().any(|entry| {
            entry.parse::<usize>().is_ok_and(|number| number == column + 1)
                || (!entry.is_empty() && self.names.get(column).is_some_and(|name| name == entry))
        })
    }
}

fn unescape(text: &str) -> String {
    text.replace("\\t", "\t").replace("\\n", "\n").replace("\\\\", "\\")
}

fn read_lines(file: &OsString, o: &Options, lines: &mut Vec<String>) -> io::Result<()> {
    let mut input = open(file)?;
    let mut line = Vec::new();
    while read_record(&mut *input, b'\n', &mut line)? {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\n');
        if o.keep_empty && o.table || !text.trim().is_empty() {
            lines.push(text.to_owned());
        }
    }
    Ok(())
}

/// Width on a terminal, well enough: wide characters count twice, combining ones not at all.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match u32::from(c) {
            0..=0x1f | 0x300..=0x36f | 0x200b..=0x200d | 0xfe0f => 0,
            0x1100..=0x115f
            | 0x2e80..=0xa4cf
            | 0xac00..=0xd7a3
            | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f
            | 0xff00..=0xff60 => 2,
            0x1f300..=0x1faff | 0x20000..=0x3fffd => 2,
            _ => 1,
        })
        .sum()
}

fn terminal_width() -> usize {
    std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|&n| n > 0)
        .unwrap_or(80)
}

fn list(o: &Options, lines: &[String], out: &mut dyn Write) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let available = o.width.unwrap_or_else(terminal_width);
    // Columns begin at tab stops.
    let longest = lines.iter().map(|line| width(line)).max().unwrap_or(0);
    let step = (longest + 8) & !7;
    if longest >= available {
        for line in lines {
            writeln!(out, "{line}")?;
        }
        return Ok(());
    }
    let columns = (available / step).max(1);
    let rows = lines.len().div_ceil(columns);
    for row in 0..rows {
        let index = |column: usize| {
            if o.rows_first {
                row * columns + column
            } else {
                column * rows + row
            }
        };
        let count = if o.rows_first {
            columns
        } else {
            lines.len().div_ceil(rows)
        };
        let entries: Vec<&String> = (0..count).filter_map(|column| lines.get(index(column))).collect();
        for (column, entry) in entries.iter().enumerate() {
            out.write_all(entry.as_bytes())?;
            if column + 1 < entries.len() {
                let tabs = step.div_ceil(8) - width(entry) / 8;
                out.write_all(&vec![b'\t'; tabs])?;
            }
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn cells(o: &Options, line: &str) -> Vec<String> {
    let limit = o.limit.unwrap_or(usize::MAX);
    match &o.separators {
        None => {
            let mut out = Vec::new();
            let mut rest = line.trim_start_matches([' ', '\t']);
            while !rest.is_empty() {
                if out.len() + 1 >= limit {
                    out.push(rest.to_owned());
                    break;
                }
                let end = rest.find([' ', '\t']).unwrap_or(rest.len());
                out.push(rest[..end].to_owned());
                rest = rest[end..].trim_start_matches([' ', '\t']);
            }
            out
        }
        Some(separators) => line
            .splitn(limit, |c| separators.contains(&c))
            .map(str::to_owned)
            .collect(),
    }
}

fn table(o: &Options, lines: &[String], out: &mut dyn Write) -> io::Result<()> {
    let mut rows: Vec<Vec<String>> = lines.iter().map(|line| cells(o, line)).collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or(0).max(o.names.len());
    let mut order: Vec<usize> = Vec::new();
    for entry in &o.order {
        order.extend((0..count).find(|&column| o.lists(std::slice::from_ref(entry), column)));
    }
    order.extend((0..count).filter(|column| !order.contains(column)).collect::<Vec<_>>());
    let unnamed = |column: usize| o.names.get(column).is_none_or(String::is_empty);
    order.retain(|&column| {
        let hidden = o.lists(&o.hide, column) || (o.hide.iter().any(|entry| entry == "-") && unnamed(column));
        !hidden
    });
    if o.json {
        return json(o, &rows, &order, out);
    }
    if !o.names.is_empty() && !o.no_headings {
        rows.insert(0, o.names.clone());
    }
    let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
    let widths: Vec<usize> = order
        .iter()
        .map(|&column| rows.iter().map(|row| width(&cell(row, column))).max().unwrap_or(0))
        .collect();
    let separator = o.output.clone().unwrap_or_else(|| "  ".to_owned());
    for row in &rows {
        let mut line = String::new();
        for (at, &column) in order.iter().enumerate() {
            let text = cell(row, column);
            let fill = " ".repeat(widths[at] - width(&text));
            let last = at + 1 == order.len();
            if o.lists(&o.right, column) {
                line.push_str(&fill);
                line.push_str(&text);
            } else {
                line.push_str(&text);
                if !last {
                    line.push_str(&fill);
                }
            }
            if !last {
                line.push_str(&separator);
            }
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn json(o: &Options, rows: &[Vec<String>], order: &[usize], out: &mut dyn Write) -> io::Result<()> {
    if o.names.is_empty() {
        complain("column", "option --table-columns required for --json");
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let quoted = |text: &str| {
        let mut out = String::from("\"");
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\0'..='\x1f' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                _ => out.push(c),
            }
        }
        out + "\""
    };
    write!(out, "{{\n   {}: [", quoted(&o.title))?;
    for (index, row) in rows.iter().enumerate() {
        writeln!(out, "{}{{", if index > 0 { "," } else { "\n      " })?;
        for (at, &column) in order.iter().enumerate() {
            let name = o.names.get(column).map(|name| name.to_lowercase()).unwrap_or_default();
            let value = match row.get(column) {
                Some(text) if !text.is_empty() => quoted(text),
                _ => "null".to_owned(),
            };
            let end = if at + 1 < order.len() { ",\n" } else { "\n" };
            write!(out, "         {}: {value}{end}", quoted(&name))?;
        }
        write!(out, "      }}")?;
    }
    writeln!(out, "\n   ]\n}}")
}
