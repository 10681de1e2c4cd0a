//! The inputs: values, raw lines, everything at once, or a stream of events.

use super::options::Options;
use crate::io::{complain, reason, shown};
use crate::json::Reader;
use jaq_json::Val;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

thread_local! {
    /// Name and line of the input that is being filtered, for the functions that tell them.
    static CURRENT: RefCell<(Option<String>, usize)> = const { RefCell::new((None, 0)) };
}

/// `input_filename`: null for standard input.
pub fn current_name() -> Val {
    CURRENT.with_borrow(|current| {
        current
            .0
            .clone()
            .map_or(Val::Null, |name| Val::utf8_str(name.into_bytes()))
    })
}

/// `input_line_number`.
pub fn current_line() -> Val {
    CURRENT.with_borrow(|current| Val::from(current.1))
}

/// Where the inputs stand, for messages.
#[derive(Clone)]
pub struct Position {
    name: Rc<RefCell<String>>,
    lines: Rc<Cell<usize>>,
}

impl Position {
    /// `<stdin>:3`, or `<unknown>` before anything was read.
    pub fn shown(&self) -> String {
        let name = self.name.borrow();
        if name.is_empty() {
            "<unknown>".to_owned()
        } else {
            format!("{name}:{}", self.lines.get())
        }
    }
}

enum Current {
    Json(Box<Reader<Box<dyn Read>>>),
    Raw(BufReader<Box<dyn Read>>),
}

/// The inputs as an iterator.
pub struct Inputs {
    files: VecDeque<OsString>,
    current: Option<Current>,
    position: Position,
    failed: Rc<Cell<i32>>,
    raw: bool,
    slurp: bool,
    stream: bool,
    done: bool,
    events: VecDeque<Val>,
}

impl Inputs {
    /// The inputs that `options` name.
    pub fn new(options: &Options) -> Self {
        let files = if options.files.is_empty() {
            VecDeque::from([OsString::from("-")])
        } else {
            options.files.clone().into()
        };
        Self {
            files,
            current: None,
            position: Position {
                name: Rc::default(),
                lines: Rc::default(),
            },
            failed: Rc::default(),
            raw: options.raw_input,
            slurp: options.slurp,
            stream: options.stream,
            done: false,
            events: VecDeque::new(),
        }
    }

    /// Follows where the inputs stand.
    pub fn position(&self) -> Position {
        self.position.clone()
    }

    /// Status of files that could not be read; 0 when all could.
    pub fn failed(&self) -> Rc<Cell<i32>> {
        Rc::clone(&self.failed)
    }

    fn open(&mut self) -> bool {
        while let Some(name) = self.files.pop_front() {
            let (source, label): (Box<dyn Read>, String) = if name == "-" {
                (Box::new(io::stdin()), "<stdin>".to_owned())
            } else {
                match File::open(&name) {
                    Ok(file) => (Box::new(file), shown(&name)),
                    Err(error) => {
                        let name = shown(&name);
                        complain("jq", format_args!("error: Could not open {name}: {}", reason(&error)));
                        self.failed.set(2);
                        continue;
                    }
                }
            };
            let known = (name != "-").then(|| label.clone());
            CURRENT.with_borrow_mut(|current| *current = (known, 0));
            *self.position.name.borrow_mut() = label;
            self.position.lines.set(0);
            self.current = Some(if self.raw {
                Current::Raw(BufReader::with_capacity(64 * 1024, source))
            } else {
                Current::Json(Box::new(Reader::new(source)))
            });
            return true;
        }
        false
    }

    fn single(&mut self) -> Option<Result<Val, String>> {
        loop {
            if self.current.is_none() && !self.open() {
                return None;
            }
            let found = match self.current.as_mut()? {
                Current::Json(reader) => {
                    let found = reader.next_value();
                    let lines = reader.lines_fed();
                    self.position.lines.set(lines);
                    CURRENT.with_borrow_mut(|current| current.1 = lines);
                    found
                }
                Current::Raw(reader) => {
                    let mut line = Vec::new();
                    match reader.read_until(b'\n', &mut line) {
                        Ok(0) => None,
                        Ok(_) => {
                            self.position.lines.set(self.position.lines.get() + 1);
                            if line.ends_with(b"\n") {
                                line.pop();
                            }
                            Some(Ok(text(&line)))
                        }
                        Err(error) => Some(Err(reason(&error))),
                    }
                }
            };
            match found {
                None => self.current = None,
                Some(Err(message)) => {
                    self.current = None;
                    self.files.clear();
                    return Some(Err(message));
                }
                found => return found,
            }
        }
    }

    /// All of the raw input as one string.
    fn all_text(&mut self) -> Result<Val, String> {
        let mut all = Vec::new();
        while self.current.is_some() || self.open() {
            if let Some(Current::Raw(mut reader)) = self.current.take() {
                reader.read_to_end(&mut all).map_err(|error| reason(&error))?;
            }
        }
        Ok(text(&all))
    }
}

impl Iterator for Inputs {
    type Item = Result<Val, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(event) = self.events.pop_front() {
            return Some(Ok(event));
        }
        if self.slurp {
            if std::mem::replace(&mut self.done, true) {
                return None;
            }
            if self.raw {
                return Some(self.all_text());
            }
            let all: Result<Val, String> = std::iter::from_fn(|| self.single()).collect();
            return Some(all);
        }
        let value = match self.single()? {
            Ok(value) => value,
            Err(message) => return Some(Err(message)),
        };
        if !self.stream {
            return Some(Ok(value));
        }
        push_events(&mut self.events, &mut Vec::new(), &value);
        self.events.pop_front().map(Ok)
    }
}

fn text(bytes: &[u8]) -> Val {
    Val::utf8_str(String::from_utf8_lossy(bytes).into_owned().into_bytes())
}

/// The events of `--stream`: `[path, leaf]`, and `[path]` where a container ends.
fn push_events(events: &mut VecDeque<Val>, path: &mut Vec<Val>, value: &Val) {
    let shown = |path: &[Val]| -> Val { path.iter().cloned().collect() };
    let last = match value {
        Val::Arr(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                path.push(Val::from(index as isize));
                push_events(events, path, item);
                path.pop();
            }
            Some(Val::from(items.len() as isize - 1))
        }
        Val::Obj(map) if !map.is_empty() => {
            for (key, item) in map.iter() {
                path.push(key.clone());
                push_events(events, path, item);
                path.pop();
            }
            map.keys().last().cloned()
        }
        leaf => {
            events.push_back([shown(path), leaf.clone()].into_iter().collect());
            None
        }
    };
    if let Some(last) = last {
        path.push(last);
        events.push_back([shown(path)].into_iter().collect());
        path.pop();
    }
}
