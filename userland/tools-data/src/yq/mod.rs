//! `yq`: filters of `jq` over YAML, with the command line of the Go program of that name.
//!
//! Comments and the style of scalars are not kept; the order of keys is.

mod write;

use crate::cli::{self, Arg, Parser};
use crate::io::{complain, is_closed_pipe, read_all, reason, shown, stdout};
use crate::jq::{Event, Next, Program, compile, error_text};
use crate::json;
use jaq_json::Val;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

const SPECS: &[&str] = &[
    "i,inplace",
    "o,output-format=",
    "p,input-format=",
    "j,tojson",
    "y,yaml-output",
    "n,null-input",
    "N,no-doc",
    "r,unwrapScalar=?",
    "raw-output",
    "P,prettyPrint",
    "I,indent=",
    "e,exit-status",
    "s,slurp",
    "c,compact-output",
    "C,colors",
    "M,no-colors",
    "f,from-file=",
    "expression=",
    "arg=",
    "v,verbose",
    "0,nul-output",
    "h,help",
    "V,version",
];

const HELP: &str = "\
Usage: yq [eval|eval-all] [OPTION]... [EXPRESSION] [FILE]...

  -i, --inplace              update the first file
  -o, --output-format FMT    yaml (default), json; -j: json
  -p, --input-format FMT     yaml (default, JSON is YAML too), json
  -n, --null-input           do not read, evaluate the expression alone
  -s, --slurp, eval-all      all documents as one array
  -I, --indent N             spaces per level (2); -c: JSON on one line
  -N, --no-doc               no --- between documents
  -r, --unwrapScalar=BOOL    strings without quotes (the default)
  -e, --exit-status          status 1 when the result is null, false or missing
  -f, --from-file FILE       expression from a file
Expressions are those of jq.
";

/// Largest indentation of input: nesting is at most as deep.
const INDENT_LIMIT: usize = 1024;

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Yaml,
    Json,
}

struct Options {
    in_place: bool,
    output: Format,
    json_input: bool,
    null_input: bool,
    separators: bool,
    raw: bool,
    indent: usize,
    exit_status: bool,
    slurp: bool,
    nul: bool,
    color: bool,
    expression: String,
    files: Vec<OsString>,
}

/// The applet.
pub fn yq(args: Vec<OsString>) -> i32 {
    let options = match parse(args) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let program = match compile(&options.expression, &["ENV".to_owned()]) {
        Ok(program) => program,
        Err(message) => {
            let first = message.lines().next().unwrap_or_default();
            eprintln!("Error: {}", first.trim_start_matches("jq: error: "));
            return 1;
        }
    };
    match run(&options, &program) {
        Ok(status) => status,
        Err(message) => {
            eprintln!("Error: {message}");
            1
        }
    }
}

fn parse(args: Vec<OsString>) -> Result<Options, i32> {
    let mut o = Options {
        in_place: false,
        output: Format::Yaml,
        json_input: false,
        null_input: false,
        separators: true,
        raw: true,
        indent: 2,
        exit_status: false,
        slurp: false,
        nul: false,
        color: false,
        expression: String::new(),
        files: Vec::new(),
    };
    let mut expression = None;
    let mut parser = Parser::new(args, SPECS);
    loop {
        let (key, value) = match parser.next() {
            Err(message) => {
                complain("yq", message);
                eprint!("{HELP}");
                return Err(1);
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(word))) => {
                o.files.push(word);
                continue;
            }
            Ok(Some(Arg::Opt("help", _))) => return Err(cli::help(HELP)),
            Ok(Some(Arg::Opt("version", _))) => return Err(cli::version("yq")),
            Ok(Some(Arg::Opt(key, value))) => (key, value),
        };
        let text = value.as_ref().map(|value| shown(value)).unwrap_or_default();
        let text = text.strip_prefix('=').unwrap_or(&text).to_owned();
        match key {
            "inplace" => o.in_place = true,
            "output-format" => {
                o.output = match text.as_str() {
                    "yaml" | "y" | "yml" | "auto" | "a" => Format::Yaml,
                    "json" | "j" => Format::Json,
                    _ => {
                        eprintln!("Error: unknown format '{text}' please use [yaml|json]");
                        return Err(1);
                    }
                }
            }
            "input-format" => o.json_input = matches!(text.as_str(), "json" | "j"),
            "tojson" => o.output = Format::Json,
            "yaml-output" => o.output = Format::Yaml,
            "null-input" => o.null_input = true,
            "no-doc" => o.separators = false,
            "unwrapScalar" => o.raw = text != "false",
            "indent" => o.indent = text.parse().unwrap_or(2).min(16),
            "compact-output" => (o.indent, o.output) = (0, Format::Json),
            "exit-status" => o.exit_status = true,
            "slurp" => o.slurp = true,
            "nul-output" => o.nul = true,
            "colors" => o.color = true,
            "expression" => expression = Some(text),
            "from-file" => match value.map(|file| read_all(&file).map_err(|error| (file, error))) {
                Some(Ok(bytes)) => expression = Some(String::from_utf8_lossy(&bytes).into_owned()),
                Some(Err((file, error))) => {
                    eprintln!("Error: open {}: {}", shown(&file), reason(&error));
                    return Err(1);
                }
                None => {}
            },
            _ => {}
        }
    }
    if o.files.first().is_some_and(|word| word == "eval-all" || word == "ea") {
        o.slurp = true;
        o.files.remove(0);
    } else if o.files.first().is_some_and(|word| word == "eval" || word == "e") {
        o.files.remove(0);
    }
    o.expression = match expression {
        Some(expression) => expression,
        // A file by itself is only printed.
        None if o.files.len() == 1 && Path::new(&o.files[0]).is_file() => ".".to_owned(),
        None if o.files.is_empty() => ".".to_owned(),
        None => shown(&o.files.remove(0)),
    };
    if o.expression.trim().is_empty() {
        o.expression = ".".to_owned();
    }
    Ok(o)
}

/// The documents of a text.
fn documents(o: &Options, text: &[u8]) -> Result<Vec<Val>, String> {
    if o.json_input {
        return json::Reader::new(text).collect();
    }
    let text = std::str::from_utf8(text).map_err(|_| "yaml: invalid UTF-8".to_owned())?;
    check_depth(text)?;
    jaq_fmts::read::yaml::parse_many(text)
        .map(|one| one.map_err(|error| format!("yaml: {error}")))
        .collect()
}

/// Refuses what nests too deeply for a recursive parser: brackets, and indentation, which each level needs.
fn check_depth(text: &str) -> Result<(), String> {
    let mut depth = 0usize;
    for line in text.lines() {
        let lead = line.len() - line.trim_start_matches([' ', '-', '?', '\t']).len();
        if lead > INDENT_LIMIT {
            return Err(format!("yaml: indentation exceeds the limit of {INDENT_LIMIT}"));
        }
        for byte in line.bytes() {
            match byte {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > json::DEPTH_LIMIT {
                return Err(format!("yaml: nesting exceeds the limit of {}", json::DEPTH_LIMIT));
            }
        }
        // Brackets in plain text do not add up over lines that close nothing.
        if !line.contains([',', ':']) && !line.contains(['[', '{', ']', '}']) {
            depth = depth.min(json::DEPTH_LIMIT / 2);
        }
    }
    Ok(())
}

fn run(o: &Options, program: &Program) -> Result<i32, String> {
    let mut inputs = Vec::new();
    if !o.null_input {
        let files = if o.files.is_empty() {
            vec![OsString::from("-")]
        } else {
            o.files.clone()
        };
        for file in &files {
            let text = read_all(file).map_err(|error| format!("open {}: {}", shown(file), reason(&error)))?;
            let found = documents(o, &text).map_err(|message| format!("bad file '{}': {message}", shown(file)))?;
            inputs.extend(found);
        }
        // An empty file is a document that is null.
        if inputs.is_empty() {
            inputs.push(Val::Null);
        }
        if o.slurp {
            inputs = vec![inputs.into_iter().collect()];
        }
    }
    let mut writer = Output {
        o,
        out: Vec::new(),
        first: true,
        truth: None,
        failed: None,
    };
    if o.null_input {
        evaluate(program, None, &mut writer);
    }
    for (index, input) in inputs.into_iter().enumerate() {
        if index > 0 && o.separators && o.output == Format::Yaml && !writer.first {
            writer.out.extend_from_slice(b"---\n");
        }
        evaluate(program, Some(input), &mut writer);
        if writer.failed.is_some() {
            break;
        }
    }
    let Output { out, truth, failed, .. } = writer;
    if let (true, Some(file), None) = (o.in_place, o.files.first(), &failed) {
        std::fs::write(file, &out).map_err(|error| format!("{}: {}", shown(file), reason(&error)))?;
    } else {
        let mut sink = stdout();
        match sink.write_all(&out).and_then(|()| sink.flush()) {
            Err(error) if !is_closed_pipe(&error) => return Err(reason(&error)),
            _ => {}
        }
    }
    match failed {
        Some(message) => Err(message),
        None => Ok(i32::from(o.exit_status && truth != Some(true))),
    }
}

fn evaluate(program: &Program, input: Option<Val>, writer: &mut Output<'_>) {
    let environment: jaq_json::Map = std::env::vars()
        .map(|(name, value)| (Val::utf8_str(name.into_bytes()), Val::utf8_str(value.into_bytes())))
        .collect();
    let null = input.is_none();
    program.run(vec![Val::obj(environment)], input.into_iter().map(Ok), null, |event| {
        writer.event(event)
    });
}

struct Output<'a> {
    o: &'a Options,
    out: Vec<u8>,
    first: bool,
    truth: Option<bool>,
    failed: Option<String>,
}

impl Output<'_> {
    fn event(&mut self, event: Event) -> Next {
        match event {
            Event::Input => {}
            Event::Value(value) => self.value(&value),
            Event::Error(error) => {
                self.failed = Some(error_text(error));
                return Next::Stop(1);
            }
            Event::BadInput(message) => {
                self.failed = Some(message);
                return Next::Stop(1);
            }
        }
        Next::Continue
    }

    fn value(&mut self, value: &Val) {
        self.first = false;
        self.truth = Some(!matches!(value, Val::Null | Val::Bool(false)));
        match (self.o.output, value) {
            (Format::Yaml, Val::TStr(text)) if self.o.raw => {
                self.out.extend_from_slice(text);
                self.out.push(if self.o.nul { 0 } else { b'\n' });
            }
            (Format::Yaml, _) => write::document(&mut self.out, value, self.o.indent.max(1)),
            (Format::Json, _) => {
                let indent = (self.o.indent > 0).then(|| " ".repeat(self.o.indent));
                let style = json::Style {
                    indent,
                    color: self.o.color,
                    ..json::Style::default()
                };
                json::write(&mut self.out, value, &style);
                self.out.push(if self.o.nul { 0 } else { b'\n' });
            }
        }
    }
}
