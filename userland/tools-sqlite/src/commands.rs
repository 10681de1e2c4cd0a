//! The commands that begin with a dot.

use crate::modes::Mode;
use crate::options::unescape;
use crate::shell::{Shell, short};
use crate::{dump, import};
use std::fs::File;
use std::io::{BufWriter, Write};

const HELP: &str = "\
.backup FILE             Back up the database to FILE
.bail on|off             Stop after hitting an error.  Default OFF
.cd DIRECTORY            Change the working directory to DIRECTORY
.changes on|off          Show number of rows changed by SQL
.databases               List names and files of attached databases
.dump ?OBJECTS?          Render database content as SQL
.echo on|off             Turn command echo on or off
.exit ?CODE?             Exit this program with return-code CODE
.headers on|off          Turn display of headers on or off
.help                    Show this text
.import FILE TABLE       Import data from FILE into TABLE (--csv, --skip N)
.indexes ?TABLE?         Show names of indexes
.mode MODE ?TABLE?       Set output mode
.nullvalue STRING        Use STRING in place of NULL values
.once FILE               Output for the next SQL command only to FILE
.open FILENAME           Close existing database and reopen FILENAME
.output ?FILENAME?       Send output to FILENAME or stdout if FILENAME is omitted
.print STRING...         Print literal STRING
.quit                    Exit this program
.read FILE               Read input from FILE
.schema ?PATTERN?        Show the CREATE statements matching PATTERN
.separator COL ?ROW?     Change the column and row separators
.shell CMD ARGS...       Run CMD ARGS... in a system shell
.show                    Show the current values for various settings
.tables ?TABLE?          List names of tables matching LIKE pattern TABLE
.version                 Show the version of SQLite
.width NUM1 NUM2 ...     Set minimum column widths for columnar output
";

/// Splits a command into words; quotes as the original has them.
fn words(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
        match quote {
            Some(quote) => {
                let body = &rest[1..];
                let mut end = body.len();
                let mut escaped = false;
                for (at, c) in body.char_indices() {
                    if c == quote && !escaped {
                        end = at;
                        break;
                    }
                    escaped = quote == '"' && c == '\\' && !escaped;
                }
                out.push(if quote == '"' {
                    unescape(&body[..end])
                } else {
                    body[..end].to_owned()
                });
                rest = body.get(end + 1..).unwrap_or_default().trim_start();
            }
            None => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                out.push(rest[..end].to_owned());
                rest = rest[end..].trim_start();
            }
        }
    }
    out
}

/// Runs a command; false when it failed.
pub fn run(shell: &mut Shell, line: &str) -> bool {
    let words = words(line);
    let Some(name) = words.first().and_then(|word| word.strip_prefix('.')) else {
        return true;
    };
    let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    let known = [
        "backup",
        "bail",
        "cd",
        "changes",
        "databases",
        "dump",
        "echo",
        "eqp",
        "exit",
        "explain",
        "fullschema",
        "headers",
        "help",
        "import",
        "indexes",
        "indices",
        "log",
        "mode",
        "nullvalue",
        "once",
        "open",
        "output",
        "parameter",
        "print",
        "prompt",
        "quit",
        "read",
        "save",
        "schema",
        "separator",
        "shell",
        "show",
        "stats",
        "system",
        "tables",
        "timeout",
        "timer",
        "version",
        "width",
    ];
    // Names may be abbreviated.
    let full = known.iter().find(|known| **known == name).or_else(|| {
        let mut matches = known.iter().filter(|known| !name.is_empty() && known.starts_with(name));
        matches.next()
    });
    let outcome = match full {
        Some(full) => dispatch(shell, full, &args),
        None => Err(format!(
            "Error: unknown command or invalid arguments:  \"{name}\". Enter \".help\" for help"
        )),
    };
    match outcome {
        Ok(()) => true,
        Err(message) => {
            shell.complain(&message);
            false
        }
    }
}

type Outcome = Result<(), String>;

fn flag(args: &[&str], name: &str) -> Result<bool, String> {
    match args.first().map(|text| text.to_ascii_lowercase()).as_deref() {
        Some("on" | "yes" | "1" | "true") => Ok(true),
        Some("off" | "no" | "0" | "false") => Ok(false),
        _ => Err(format!("Usage: .{name} on|off")),
    }
}

fn dispatch(shell: &mut Shell, name: &str, args: &[&str]) -> Outcome {
    match name {
        "bail" => shell.bail = flag(args, name)?,
        "changes" => shell.changes = flag(args, name)?,
        "echo" => shell.echo = flag(args, name)?,
        "headers" => shell.settings.headers = Some(flag(args, name)?),
        "quit" => shell.leave = Some(0),
        "exit" => shell.leave = Some(args.first().and_then(|code| code.parse().ok()).unwrap_or(0)),
        "help" => put(shell, HELP)?,
        "print" => put(shell, &format!("{}\n", args.join(" ")))?,
        "version" => put(shell, &format!("SQLite {}\n", rusqlite::version()))?,
        "nullvalue" => shell.settings.null = args.first().ok_or("Usage: .nullvalue STRING")?.to_string(),
        "separator" => {
            shell.settings.separator = unescape(args.first().ok_or("Usage: .separator COL ?ROW?")?);
            if let Some(newline) = args.get(1) {
                shell.settings.newline = unescape(newline);
            }
        }
        "width" => shell.settings.widths = args.iter().map(|text| text.parse().unwrap_or(0)).collect(),
        "mode" => return mode(shell, args),
        "cd" => {
            let folder = args.first().ok_or("Usage: .cd DIRECTORY")?;
            std::env::set_current_dir(folder).map_err(|_| format!("Cannot change to directory \"{folder}\""))?;
        }
        "read" => {
            let file = args.first().ok_or("Usage: .read FILE")?;
            if !shell.read_file(file) {
                return Err(String::new());
            }
        }
        "output" | "once" => return output(shell, args, name == "once"),
        "open" => {
            let file = args.iter().find(|arg| !arg.starts_with("--"));
            shell.connection = None;
            shell.database = file.map_or_else(|| ":memory:".to_owned(), |file| (*file).to_owned());
            shell.open().map(|_| ()).ok_or_else(String::new)?;
        }
        "shell" | "system" => {
            let _ = shell.out.flush();
            let status = std::process::Command::new("sh").arg("-c").arg(args.join(" ")).status();
            if let Some(code) = status.ok().and_then(|status| status.code()).filter(|&code| code != 0) {
                return Err(format!("System command returns {code}"));
            }
        }
        "show" => return show(shell),
        "tables" | "schema" | "fullschema" | "indexes" | "indices" | "databases" => return inspect(shell, name, args),
        "dump" => {
            shell.open().ok_or_else(String::new)?;
            let Some(connection) = shell.connection.take() else {
                return Ok(());
            };
            let outcome = dump::dump(&connection, args, &mut shell.out);
            shell.connection = Some(connection);
            return outcome;
        }
        "import" => {
            shell.open().ok_or_else(String::new)?;
            let Some(connection) = shell.connection.take() else {
                return Ok(());
            };
            let outcome = import::import(&connection, &shell.settings, args);
            shell.connection = Some(connection);
            return outcome;
        }
        "backup" | "save" => {
            let file = args.last().ok_or("missing FILENAME argument on .backup")?.to_string();
            let _ = std::fs::remove_file(&file);
            let connection = shell.open().ok_or_else(String::new)?;
            connection
                .execute("VACUUM INTO ?1", [file])
                .map_err(|error| format!("Error: {}", short(&error)))?;
        }
        // Settings without an effect here.
        _ => {}
    }
    Ok(())
}

fn put(shell: &mut Shell, text: &str) -> Outcome {
    shell.out.write_all(text.as_bytes()).map_err(|error| error.to_string())
}

fn mode(shell: &mut Shell, args: &[&str]) -> Outcome {
    let mut names = args.iter().filter(|arg| !arg.starts_with("--"));
    let Some(name) = names.next() else {
        let text = format!("current output mode: {}\n", shell.settings.mode.name());
        return put(shell, &text);
    };
    let mode = Mode::parse(name).ok_or_else(|| {
        "Error: mode should be one of: ascii box column csv html insert json line list markdown qbox quote table tabs tcl".to_owned()
    })?;
    let mode = match (mode, names.next()) {
        (Mode::Insert(_), Some(table)) => Mode::Insert((*table).to_owned()),
        (mode, _) => mode,
    };
    shell.settings.set_mode(mode);
    shell.settings.column_headers = true;
    Ok(())
}

fn output(shell: &mut Shell, args: &[&str], once: bool) -> Outcome {
    let _ = shell.out.flush();
    let file = args.iter().find(|arg| !arg.starts_with('-'));
    match file.filter(|file| **file != "stdout") {
        None => shell.out = Box::new(crate::io::stdout()),
        Some(name) => {
            let file = File::create(name).map_err(|_| format!("Error: cannot open \"{name}\""))?;
            shell.out = Box::new(BufWriter::new(file));
        }
    }
    shell.once = once;
    Ok(())
}

fn show(shell: &mut Shell) -> Outcome {
    let word = |on: bool| if on { "on" } else { "off" };
    let s = &shell.settings;
    let quoted = |text: &str| format!("\"{}\"", text.replace('\n', "\\n").replace('\t', "\\t"));
    let widths: String = s.widths.iter().map(|width| format!("{width} ")).collect();
    let text = format!(
        "        echo: {}\n         eqp: off\n     explain: auto\n     headers: {}\n        mode: {}\n   nullvalue: {}\n      output: stdout\n\
         colseparator: {}\nrowseparator: {}\n       stats: off\n       width: {widths}\n    filename: {}\n",
        word(shell.echo),
        word(s.headers == Some(true)),
        s.mode.name(),
        quoted(&s.null),
        quoted(&s.separator),
        quoted(&s.newline),
        shell.database,
    );
    put(shell, &text)
}

fn inspect(shell: &mut Shell, name: &str, args: &[&str]) -> Outcome {
    let pattern = args
        .iter()
        .find(|arg| !arg.starts_with('-'))
        .map(|arg| (*arg).to_owned());
    let connection = shell.open().ok_or_else(String::new)?;
    let text = match name {
        "tables" => tables(connection, pattern.as_deref()),
        "databases" => databases(connection),
        "indexes" | "indices" => indexes(connection, pattern.as_deref()),
        _ => schema(connection, pattern.as_deref(), name == "fullschema"),
    };
    let text = text.map_err(|error| format!("Error: {}", short(&error)))?;
    put(shell, &text)
}

type Found = rusqlite::Result<String>;

fn names(connection: &rusqlite::Connection, sql: &str, pattern: Option<&str>) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([pattern.unwrap_or("%")], |row| row.get::<_, String>(0))?;
    rows.collect()
}

/// Names in columns, as wide as a terminal usually is.
fn in_columns(names: &[String]) -> String {
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let columns = (80 / (longest + 2)).max(1);
    let rows = names.len().div_ceil(columns);
    let mut out = String::new();
    for row in 0..rows {
        let cells = (row..names.len())
            .step_by(rows)
            .map(|at| format!("{:<longest$}", names[at]));
        out.push_str(&cells.collect::<Vec<_>>().join("  "));
        out.push('\n');
    }
    out
}

fn tables(connection: &rusqlite::Connection, pattern: Option<&str>) -> Found {
    let sql = "SELECT name FROM sqlite_schema WHERE type IN ('table','view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
               AND name LIKE ?1 ORDER BY 1";
    Ok(in_columns(&names(connection, sql, pattern)?))
}

fn indexes(connection: &rusqlite::Connection, pattern: Option<&str>) -> Found {
    let sql = "SELECT name FROM sqlite_schema WHERE type='index' AND tbl_name LIKE ?1 ORDER BY 1";
    Ok(in_columns(&names(connection, sql, pattern)?))
}

fn databases(connection: &rusqlite::Connection) -> Found {
    let mut statement = connection.prepare("PRAGMA database_list")?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(1)?, row.get::<_, Option<String>>(2)?))
    })?;
    let mut out = String::new();
    for row in rows {
        let (name, file) = row?;
        let file = file
            .filter(|file| !file.is_empty())
            .unwrap_or_else(|| "\"\"".to_owned());
        let access = if connection.is_readonly(name.as_str()).unwrap_or(false) {
            "r/o"
        } else {
            "r/w"
        };
        out.push_str(&format!("{name}: {file} {access}\n"));
    }
    Ok(out)
}

fn schema(connection: &rusqlite::Connection, pattern: Option<&str>, full: bool) -> Found {
    let sql = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND lower(tbl_name) LIKE lower(?1) \
               AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([pattern.unwrap_or("%")], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
        ))
    })?;
    let mut out = String::new();
    for row in rows {
        let (kind, name, sql) = row?;
        out.push_str(&dump::shown(&sql));
        if (kind == "view" || sql.to_ascii_uppercase().starts_with("CREATE VIRTUAL")) && !full {
            let columns = names(connection, "SELECT name FROM pragma_table_info(?1)", Some(&name)).unwrap_or_default();
            let columns: Vec<String> = columns.iter().map(|column| crate::modes::identifier(column)).collect();
            out.push_str(&format!("\n/* {name}({}) */", columns.join(",")));
        }
        out.push_str(";\n");
    }
    if full {
        out.push_str("/* No STAT tables available */\n");
    }
    Ok(out)
}
