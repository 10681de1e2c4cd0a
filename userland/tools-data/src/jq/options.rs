//! The command line.

use crate::io::{bytes_of, reason, shown};
use crate::json::{self, Style};
use jaq_json::{Map, Val};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;

/// `--help`.
pub const HELP: &str = "\
Usage: jq [OPTIONS] FILTER [FILES...]
       jq [OPTIONS] -f FILE [FILES...]
       jq [OPTIONS] --args FILTER [STRINGS...]
       jq [OPTIONS] --jsonargs FILTER [JSON_VALUES...]

  -n, --null-input          use `null` as the single input value
  -R, --raw-input           read each line as a string
  -s, --slurp               read all inputs into one array
  -c, --compact-output      one line per value
  -r, --raw-output          strings without quotes
  -j, --join-output         as -r, without newlines
      --raw-output0         as -r, with NUL in place of newlines
  -a, --ascii-output        escape everything beyond ASCII
  -S, --sort-keys           objects in the order of their keys
  -C, --color-output        colours; -M, --monochrome-output: none
      --tab, --indent N     indentation
      --unbuffered, --seq, --stream
  -f, --from-file FILE      filter from a file
      --arg NAME VALUE, --argjson NAME JSON
      --slurpfile NAME FILE, --rawfile NAME FILE
      --args, --jsonargs    the remaining operands are values
  -e, --exit-status         status from the last output
  -h, --help, --version
";

/// After an error.
pub const SHORT_HELP: &str = "\
Usage:\tjq [OPTIONS] FILTER [FILES...]
Use jq --help for help with command-line options.
";

/// What to do.
#[derive(Default)]
pub struct Options {
    pub program: String,
    pub files: Vec<OsString>,
    pub null_input: bool,
    pub raw_input: bool,
    pub slurp: bool,
    pub raw_output: bool,
    pub join: bool,
    pub nul: bool,
    pub seq: bool,
    pub stream: bool,
    pub unbuffered: bool,
    pub exit_status: bool,
    pub style: Style,
    named: Vec<(String, Val)>,
    positional: Vec<Val>,
}

/// The outcome of parsing.
pub enum Parsed {
    Run(Box<Options>),
    Help,
    Version,
    Wrong(String),
}

impl Options {
    /// Names of the variables, without `$`.
    pub fn names(&self) -> Vec<String> {
        let own = ["ENV", "__loc__", "ARGS"].map(str::to_owned);
        own.into_iter()
            .chain(self.named.iter().map(|(name, _)| name.clone()))
            .collect()
    }

    /// Their values, in the same order.
    pub fn values(&self) -> Vec<Val> {
        let text = |bytes: &OsStr| Val::utf8_str(String::from_utf8_lossy(bytes_of(bytes)).into_owned().into_bytes());
        let environment: Map = std::env::vars_os()
            .map(|(name, value)| (text(&name), text(&value)))
            .collect();
        let key = |name: &str| Val::utf8_str(name.as_bytes().to_vec());
        let place: Map = [(key("file"), key("<top-level>")), (key("line"), Val::from(1isize))]
            .into_iter()
            .collect();
        let named: Map = self
            .named
            .iter()
            .map(|(name, value)| (key(name), value.clone()))
            .collect();
        let args: Map = [
            (key("positional"), self.positional.iter().cloned().collect()),
            (key("named"), Val::obj(named)),
        ]
        .into_iter()
        .collect();
        let own = [Val::obj(environment), Val::obj(place), Val::obj(args)];
        own.into_iter()
            .chain(self.named.iter().map(|(_, value)| value.clone()))
            .collect()
    }
}

/// How operands are read.
#[derive(Clone, Copy, PartialEq)]
enum Rest {
    Files,
    Texts,
    Values,
}

struct Builder {
    options: Options,
    program: Option<String>,
    from_file: Option<OsString>,
    rest: Rest,
    indent: Option<String>,
    compact: bool,
    color: bool,
}

/// Parses the command line.
pub fn parse(args: Vec<OsString>) -> Parsed {
    let mut builder = Builder {
        options: Options::default(),
        program: None,
        from_file: None,
        rest: Rest::Files,
        indent: Some("  ".to_owned()),
        compact: false,
        color: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    let mut args: VecDeque<OsString> = args.into();
    args.pop_front();
    let mut only_operands = false;
    while let Some(arg) = args.pop_front() {
        let bytes = bytes_of(&arg).to_vec();
        let outcome = if only_operands || bytes.len() < 2 || bytes[0] != b'-' {
            builder.operand(arg)
        } else if bytes == b"--" {
            only_operands = true;
            Ok(())
        } else if let Some(long) = bytes.strip_prefix(b"--") {
            match long {
                b"help" => return Parsed::Help,
                b"version" => return Parsed::Version,
                _ => builder.long(&String::from_utf8_lossy(long), &mut args),
            }
        } else {
            if bytes.contains(&b'h') {
                return Parsed::Help;
            }
            if bytes == b"-V" {
                return Parsed::Version;
            }
            bytes[1..]
                .iter()
                .try_for_each(|letter| builder.short(*letter, &mut args))
        };
        if let Err(message) = outcome {
            return Parsed::Wrong(message);
        }
    }
    builder.finish()
}

type Outcome = Result<(), String>;

impl Builder {
    fn operand(&mut self, arg: OsString) -> Outcome {
        if self.program.is_none() && self.from_file.is_none() {
            self.program = Some(shown(&arg));
            return Ok(());
        }
        match self.rest {
            Rest::Files => self.options.files.push(arg),
            Rest::Texts => self.options.positional.push(text(bytes_of(&arg))),
            Rest::Values => {
                let value = one_value(bytes_of(&arg)).ok_or("Invalid JSON text passed to --jsonargs")?;
                self.options.positional.push(value);
            }
        }
        Ok(())
    }

    fn short(&mut self, letter: u8, args: &mut VecDeque<OsString>) -> Outcome {
        let long = match letter {
            b'n' => "null-input",
            b'R' => "raw-input",
            b's' => "slurp",
            b'c' => "compact-output",
            b'r' => "raw-output",
            b'j' => "join-output",
            b'a' => "ascii-output",
            b'S' => "sort-keys",
            b'C' => "color-output",
            b'M' => "monochrome-output",
            b'f' => "from-file",
            b'e' => "exit-status",
            b'L' => "library-path",
            _ => return Err(format!("Unknown option: -{}", char::from(letter))),
        };
        self.long(long, args)
    }

    fn long(&mut self, name: &str, args: &mut VecDeque<OsString>) -> Outcome {
        let o = &mut self.options;
        match name {
            "null-input" => o.null_input = true,
            "raw-input" => o.raw_input = true,
            "slurp" => o.slurp = true,
            "compact-output" => self.compact = true,
            "raw-output" => o.raw_output = true,
            "join-output" => (o.raw_output, o.join) = (true, true),
            "raw-output0" => (o.raw_output, o.nul) = (true, true),
            "ascii-output" => o.style.ascii = true,
            "sort-keys" => o.style.sort_keys = true,
            "color-output" => self.color = true,
            "monochrome-output" => self.color = false,
            "tab" => self.indent = Some("\t".to_owned()),
            "unbuffered" => o.unbuffered = true,
            "seq" => o.seq = true,
            "stream" => o.stream = true,
            "exit-status" => o.exit_status = true,
            "args" => self.rest = Rest::Texts,
            "jsonargs" => self.rest = Rest::Values,
            "indent" => {
                let count = args.pop_front().ok_or("--indent takes one parameter")?;
                let count: usize = shown(&count)
                    .parse()
                    .map_err(|_| "--indent takes a number".to_owned())?;
                if count > 7 {
                    return Err("Cannot indent more than 7 characters".to_owned());
                }
                self.indent = Some(" ".repeat(count));
                self.compact = count == 0;
            }
            "from-file" => self.from_file = Some(args.pop_front().ok_or("-f takes a parameter (e.g. -f file)")?),
            "library-path" => drop(args.pop_front()),
            "arg" | "argjson" | "slurpfile" | "rawfile" => return self.named(name, args),
            _ => return Err(format!("Unknown option: --{name}")),
        }
        Ok(())
    }

    fn named(&mut self, option: &str, args: &mut VecDeque<OsString>) -> Outcome {
        let (Some(name), Some(value)) = (args.pop_front(), args.pop_front()) else {
            let (what, example) = match option {
                "arg" => ("value", "--arg varname value"),
                "argjson" => ("text", "--argjson varname text"),
                _ => ("filename", "--slurpfile varname filename"),
            };
            let _ = what;
            return Err(format!("--{option} takes two parameters (e.g. {example})"));
        };
        let name = shown(&name);
        let value = match option {
            "arg" => text(bytes_of(&value)),
            "argjson" => {
                one_value(bytes_of(&value)).ok_or_else(|| format!("Invalid JSON text passed to --{option}"))?
            }
            _ => {
                let bad = |why: String| format!("Bad JSON in --{option} {name} {}: {why}", shown(&value));
                let bytes = std::fs::read(&value)
                    .map_err(|error| bad(format!("Could not open {}: {}", shown(&value), reason(&error))))?;
                if option == "rawfile" {
                    text(&bytes)
                } else {
                    json::Reader::new(bytes.as_slice())
                        .collect::<Result<Val, String>>()
                        .map_err(bad)?
                }
            }
        };
        if !self.options.named.iter().any(|(known, _)| *known == name) {
            self.options.named.push((name, value));
        }
        Ok(())
    }

    fn finish(mut self) -> Parsed {
        let program = match self.from_file.take() {
            Some(file) => {
                // A program given before `-f` was an input file after all.
                if let Some(first) = self.program.take() {
                    self.options.files.insert(0, first.into());
                }
                match std::fs::read(&file) {
                    Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                    Err(error) => {
                        return Parsed::Wrong(format!("error: Could not open {}: {}", shown(&file), reason(&error)));
                    }
                }
            }
            None => match self.program.take() {
                Some(program) => program,
                None => return Parsed::Wrong(String::new()),
            },
        };
        self.options.program = if program.trim().is_empty() {
            ".".to_owned()
        } else {
            program
        };
        self.options.style.color = self.color;
        self.options.style.indent = if self.compact { None } else { self.indent };
        Parsed::Run(Box::new(self.options))
    }
}

fn text(bytes: &[u8]) -> Val {
    Val::utf8_str(String::from_utf8_lossy(bytes).into_owned().into_bytes())
}

fn one_value(text: &[u8]) -> Option<Val> {
    let mut reader = json::Reader::new(text);
    let value = reader.next_value()?.ok()?;
    reader.next_value().is_none().then_some(value)
}
