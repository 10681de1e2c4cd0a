//! Running a program: state, statements, records.

use super::ast::{Expr, Name, Pattern, Program, Redirect, Rule, Stmt, special};
use super::reader::{Reader, Separator};
use super::record::{Record, Splitter};
use super::regexes::Cache;
use super::streams::Streams;
use super::value::{ArrayRef, Cell, Key, Text, Value};
use super::{format, number, sorting};
use std::fs::File;
use std::io::{self, Write};
use std::rc::Rc;

/// How much host stack the active calls may take, counted in nested statements and expressions (see
/// [`super::height`]): a guest's stack holds about 3400, and running out of it would be a crash, not an error.
pub(super) const NEST_LIMIT: usize = if cfg!(target_family = "wasm") { 2600 } else { 10_000 };

/// Why execution left the normal path.
pub enum Stop {
    /// A fatal error.
    Error(String),
    /// Nobody reads our output any more.
    Closed,
    /// `exit` inside an expression's function call.
    Exit,
    /// `next` inside a function.
    Next,
    /// `nextfile` inside a function.
    NextFile,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        if crate::io::is_closed_pipe(&error) {
            return Self::Closed;
        }
        Self::Error(format!("fatal: write error: {}", crate::io::reason(&error)))
    }
}

impl From<String> for Stop {
    fn from(message: String) -> Self {
        Self::Error(message)
    }
}

/// A result that may stop the program.
pub type Run<T> = Result<T, Stop>;

/// How a statement ended.
pub(super) enum Flow {
    Normal,
    Break,
    Continue,
    Return(Value),
}

/// The running program.
pub struct Interp<'p> {
    pub(super) program: &'p Program,
    pub(super) globals: Vec<Cell>,
    /// Parameters of all active calls; `frame` is where the running one's begin.
    pub(super) locals: Vec<Cell>,
    pub(super) frame: usize,
    pub(super) depth: usize,
    pub(super) record: Record,
    pub(super) streams: Streams,
    pub(super) cache: Cache,
    pub(super) random: super::random::Random,
    pub(super) ofs: Text,
    pub(super) ors: Text,
    pub(super) subsep: Text,
    pub(super) convfmt: Text,
    ofmt: Text,
    pub(super) separator: Separator,
    pub(super) nr: f64,
    pub(super) fnr: f64,
    pub(super) groups: crate::regex::Groups,
    pub(super) scratch: Vec<u8>,
    /// The buffer that the next record is read into.
    pub(super) spare: Vec<u8>,
    pub(super) terminator: Vec<u8>,
    main: Option<Reader>,
    next_arg: usize,
    used_file: bool,
    /// Whether each rule's range is open.
    ranges: Vec<bool>,
    status: i32,
}

impl<'p> Interp<'p> {
    /// A program about to start.
    pub fn new(program: &'p Program) -> Self {
        let text = |text: &str| Rc::new(text.as_bytes().to_vec());
        let mut out = Self {
            globals: program.globals.iter().map(|(_, array)| Cell::new(*array)).collect(),
            program,
            locals: Vec::new(),
            frame: 0,
            depth: 0,
            record: Record::new(),
            streams: Streams::new(),
            cache: Cache::default(),
            random: super::random::Random::new(0),
            ofs: text(" "),
            ors: text("\n"),
            subsep: text("\x1c"),
            convfmt: text("%.6g"),
            ofmt: text("%.6g"),
            separator: Separator::Byte(b'\n'),
            nr: 0.0,
            fnr: 0.0,
            groups: Vec::new(),
            scratch: Vec::new(),
            spare: Vec::new(),
            terminator: Vec::new(),
            main: None,
            next_arg: 1,
            used_file: false,
            ranges: vec![false; program.rules.len()],
            status: 0,
        };
        let initial: &[(usize, &str)] = &[
            (special::FS, " "),
            (special::OFS, " "),
            (special::RS, "\n"),
            (special::ORS, "\n"),
            (special::SUBSEP, "\x1c"),
            (special::CONVFMT, "%.6g"),
            (special::OFMT, "%.6g"),
            (special::FPAT, "[^[:space:]]+"),
            (special::FIELDWIDTHS, ""),
            (special::RT, ""),
            (special::FILENAME, ""),
        ];
        for (slot, value) in initial {
            out.globals[*slot] = Cell::Scalar(Value::text(*value));
        }
        out.globals[special::RSTART] = Cell::Scalar(Value::Number(0.0));
        out.globals[special::RLENGTH] = Cell::Scalar(Value::Number(-1.0));
        out
    }

    /// The array in a global slot.
    pub fn global_array(&self, slot: usize) -> ArrayRef {
        match &self.globals[slot] {
            Cell::Array(array) => Rc::clone(array),
            Cell::Scalar(_) => ArrayRef::default(),
        }
    }

    /// Assigns a global by name, as `-v` and operands do.
    pub fn assign_by_name(&mut self, name: &str, value: Value) -> Run<()> {
        match self.program.globals.iter().position(|(global, _)| global == name) {
            Some(slot) if matches!(self.globals[slot], Cell::Array(_)) => Err(Stop::Error(format!(
                "fatal: cannot use array `{name}' in a scalar context"
            ))),
            Some(slot) => self.set_global(slot, value),
            None => Ok(()),
        }
    }

    /// Runs everything; the exit status.
    pub fn run(&mut self) -> i32 {
        let mut outcome = self.run_begin();
        if outcome.is_ok() && !(self.program.rules.is_empty() && self.program.end.is_empty()) {
            outcome = self.run_records();
        }
        if matches!(outcome, Ok(()) | Err(Stop::Exit)) {
            outcome = self.run_end();
        }
        let flushed = self.streams.finish();
        match outcome {
            Err(Stop::Error(message)) => {
                super::complain(&message);
                2
            }
            Err(Stop::Closed) => 2,
            _ => match flushed {
                Err(error) if !crate::io::is_closed_pipe(&error) => {
                    super::complain(&format!("fatal: write error: {}", crate::io::reason(&error)));
                    2
                }
                _ => self.status,
            },
        }
    }

    fn run_begin(&mut self) -> Run<()> {
        let program = self.program;
        program.begin.iter().try_for_each(|body| self.top(body))
    }

    fn run_end(&mut self) -> Run<()> {
        let program = self.program;
        match program.end.iter().try_for_each(|body| self.top(body)) {
            Err(Stop::Exit) => Ok(()),
            other => other,
        }
    }

    fn top(&mut self, body: &'p Stmt) -> Run<()> {
        match self.exec(body) {
            Ok(_) => Ok(()),
            Err(Stop::Next | Stop::NextFile) => Err(Stop::Error("fatal: `next' used in BEGIN or END action".into())),
            Err(stop) => Err(stop),
        }
    }

    fn run_records(&mut self) -> Run<()> {
        let program = self.program;
        while self.next_record()? {
            for (index, rule) in program.rules.iter().enumerate() {
                match self.run_rule(index, rule) {
                    Ok(()) => {}
                    Err(Stop::Next) => break,
                    Err(Stop::NextFile) => {
                        self.main = None;
                        break;
                    }
                    Err(stop) => return Err(stop),
                }
            }
        }
        Ok(())
    }

    fn run_rule(&mut self, index: usize, rule: &'p Rule) -> Run<()> {
        let selected = match &rule.pattern {
            Pattern::Always => true,
            Pattern::When(condition) => self.truth(condition)?,
            Pattern::Range(first, last) => {
                let inside = self.ranges[index] || self.truth(first)?;
                self.ranges[index] = inside && !self.truth(last)?;
                inside
            }
        };
        if !selected {
            return Ok(());
        }
        match &rule.body {
            Some(body) => self.exec(body).map(|_| ()),
            None => self.print_record(),
        }
    }

    fn print_record(&mut self) -> Run<()> {
        let text = self.record.text(&self.ofs, &self.convfmt);
        self.streams.out.write_all(text)?;
        self.streams.out.write_all(&self.ors)?;
        Ok(())
    }

    // Input.

    /// Reads the next record of the main input into `$0`, which stays as it is at the end; false there.
    pub(super) fn next_record(&mut self) -> Run<bool> {
        let mut buffer = std::mem::take(&mut self.spare);
        buffer.clear();
        let found = self.read_main(&mut buffer);
        if matches!(found, Ok(true)) {
            self.record.exchange(&mut buffer);
        }
        self.spare = buffer;
        found
    }

    /// Reads the next record of the main input into a buffer.
    pub(super) fn read_main(&mut self, buffer: &mut Vec<u8>) -> Run<bool> {
        loop {
            if self.main.is_none() && !self.open_next()? {
                return Ok(false);
            }
            let Some(reader) = self.main.as_mut() else {
                return Ok(false);
            };
            if reader.may_wait() {
                self.streams.flush_all()?;
            }
            let found = reader.read(&self.separator, buffer, &mut self.terminator);
            match found {
                Ok(true) => {
                    self.nr += 1.0;
                    self.fnr += 1.0;
                    if !matches!(self.separator, Separator::Byte(_)) {
                        self.trim_last(buffer);
                        self.globals[special::RT] = Cell::Scalar(Value::text(self.terminator.clone()));
                    }
                    return Ok(true);
                }
                Ok(false) => self.main = None,
                Err(error) => {
                    let name = self.scalar_text(special::FILENAME);
                    super::complain(&format!(
                        "warning: {}: {}",
                        String::from_utf8_lossy(&name),
                        crate::io::reason(&error)
                    ));
                    self.status = 2;
                    self.main = None;
                }
            }
        }
    }

    /// With an expression as separator, the newline at the end of the file is no part of the last record.
    fn trim_last(&mut self, buffer: &mut Vec<u8>) {
        if self.terminator.is_empty() && buffer.last() == Some(&b'\n') && matches!(self.separator, Separator::Regex(_))
        {
            buffer.pop();
        }
    }

    fn scalar_text(&self, slot: usize) -> Text {
        match &self.globals[slot] {
            Cell::Scalar(value) => value.to_text(&self.convfmt),
            Cell::Array(_) => Text::default(),
        }
    }

    /// Opens the next operand that is a file; false when there is none left.
    fn open_next(&mut self) -> Run<bool> {
        loop {
            let count = match &self.globals[special::ARGC] {
                Cell::Scalar(value) => value.number(),
                Cell::Array(_) => 0.0,
            };
            if self.next_arg as f64 >= count {
                if self.used_file {
                    return Ok(false);
                }
                self.used_file = true;
                self.start_file(Box::new(io::stdin()), None);
                return Ok(true);
            }
            let argv = self.global_array(special::ARGV);
            let name = argv
                .borrow()
                .get(self.next_arg.to_string().as_bytes())
                .map(|value| value.to_text(b"%.6g"));
            self.next_arg += 1;
            let Some(name) = name.filter(|name| !name.is_empty()) else {
                continue;
            };
            if let Some((variable, value)) = super::assignment(&name) {
                self.assign_by_name(&variable, Value::input(value))?;
                continue;
            }
            self.used_file = true;
            if *name == b"-" || *name == b"/dev/stdin" {
                self.start_file(Box::new(io::stdin()), Some(name));
                return Ok(true);
            }
            match open_file(&name) {
                Ok(file) => {
                    self.start_file(Box::new(file), Some(name));
                    return Ok(true);
                }
                Err(message) if message.starts_with("fatal") => return Err(Stop::Error(message)),
                Err(message) => super::complain(&message),
            }
        }
    }

    fn start_file(&mut self, source: Box<dyn io::Read>, name: Option<Text>) {
        self.main = Some(Reader::new(source));
        self.fnr = 0.0;
        if let Some(name) = name {
            self.globals[special::FILENAME] = Cell::Scalar(Value::Input(name));
        }
    }

    // Statements.

    pub(super) fn exec(&mut self, stmt: &'p Stmt) -> Run<Flow> {
        match stmt {
            Stmt::Expr(expr) => self.effect(expr)?,
            Stmt::Print(items, target) => self.print(items, target.as_ref())?,
            Stmt::Printf(items, target) => self.printf(items, target.as_ref())?,
            Stmt::Block(body) => return self.exec_all(body),
            Stmt::If(condition, then, other) => {
                if self.truth(condition)? {
                    return self.exec(then);
                } else if let Some(other) = other {
                    return self.exec(other);
                }
            }
            Stmt::While(condition, body) => {
                while self.truth(condition)? {
                    match self.exec(body)? {
                        Flow::Break => break,
                        Flow::Normal | Flow::Continue => {}
                        flow => return Ok(flow),
                    }
                }
            }
            Stmt::DoWhile(body, condition) => loop {
                match self.exec(body)? {
                    Flow::Break => break,
                    Flow::Normal | Flow::Continue => {}
                    flow => return Ok(flow),
                }
                if !self.truth(condition)? {
                    break;
                }
            },
            Stmt::For(start, condition, step, body) => {
                return self.exec_for(start.as_deref(), condition.as_ref(), step.as_deref(), body);
            }
            Stmt::ForIn(key, array, body) => return self.exec_for_in(*key, *array, body),
            Stmt::Switch(subject, cases) => return self.exec_switch(subject, cases),
            Stmt::Delete(array, subscripts) => {
                let array = self.array(*array)?;
                let key = self.subscript(subscripts)?;
                array.borrow_mut().swap_remove(key.as_slice());
                self.scratch = key;
            }
            Stmt::DeleteAll(array) => self.array(*array)?.borrow_mut().clear(),
            Stmt::Next => return Err(Stop::Next),
            Stmt::NextFile => return Err(Stop::NextFile),
            Stmt::Exit(status) => {
                if let Some(status) = status {
                    self.status = self.number(status)? as i64 as i32 & 0xff;
                }
                return Err(Stop::Exit);
            }
            Stmt::Return(value) => {
                return Ok(Flow::Return(match value {
                    Some(value) => self.eval(value)?,
                    None => Value::Unset,
                }));
            }
            Stmt::Break => return Ok(Flow::Break),
            Stmt::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Normal)
    }

    fn exec_all(&mut self, body: &'p [Stmt]) -> Run<Flow> {
        for stmt in body {
            match self.exec(stmt)? {
                Flow::Normal => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Normal)
    }

    fn exec_for(
        &mut self,
        start: Option<&'p Stmt>,
        condition: Option<&'p Expr>,
        step: Option<&'p Stmt>,
        body: &'p Stmt,
    ) -> Run<Flow> {
        if let Some(start) = start {
            self.exec(start)?;
        }
        loop {
            if let Some(condition) = condition
                && !self.truth(condition)?
            {
                return Ok(Flow::Normal);
            }
            match self.exec(body)? {
                Flow::Break => return Ok(Flow::Normal),
                Flow::Normal | Flow::Continue => {}
                flow => return Ok(flow),
            }
            if let Some(step) = step {
                self.exec(step)?;
            }
        }
    }

    fn exec_for_in(&mut self, key: Name, array: Name, body: &'p Stmt) -> Run<Flow> {
        let array = self.array(array)?;
        let procinfo = self.global_array(special::PROCINFO);
        let order = procinfo
            .borrow()
            .get(b"sorted_in".as_slice())
            .map(|value| value.to_text(b"%.6g"));
        let keys: Vec<Text> = match order {
            Some(order) => sorting::keys(&array.borrow(), &order),
            None => array.borrow().keys().map(|key| Rc::clone(&key.0)).collect(),
        };
        for text in keys {
            self.set(key, Value::Input(text))?;
            match self.exec(body)? {
                Flow::Break => break,
                Flow::Normal | Flow::Continue => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Normal)
    }

    fn exec_switch(&mut self, subject: &'p Expr, cases: &'p [(Option<Expr>, Vec<Stmt>)]) -> Run<Flow> {
        let subject = self.eval(subject)?;
        let mut chosen = None;
        for (index, (label, _)) in cases.iter().enumerate() {
            let hit = match label {
                None => false,
                Some(Expr::Regex(regex)) => regex.regex.is_match(&subject.to_text(&self.convfmt)),
                Some(label) => {
                    let label = self.eval(label)?;
                    super::compare::ordering(&subject, &label, &self.convfmt).is_eq()
                }
            };
            if hit {
                chosen = Some(index);
                break;
            }
        }
        let Some(first) = chosen.or_else(|| cases.iter().position(|(label, _)| label.is_none())) else {
            return Ok(Flow::Normal);
        };
        for (_, body) in &cases[first..] {
            match self.exec_all(body)? {
                Flow::Normal => {}
                Flow::Break => return Ok(Flow::Normal),
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Normal)
    }

    // Output.

    fn print(&mut self, items: &'p [Expr], target: Option<&'p (Redirect, Expr)>) -> Run<()> {
        if items.is_empty() && target.is_none() {
            return self.print_record();
        }
        let mut line = std::mem::take(&mut self.scratch);
        line.clear();
        if items.is_empty() {
            line.extend_from_slice(self.record.text(&self.ofs, &self.convfmt));
        }
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                line.extend_from_slice(&self.ofs);
            }
            self.append_printed(item, &mut line)?;
        }
        line.extend_from_slice(&self.ors);
        self.write(&line, target)?;
        self.scratch = line;
        Ok(())
    }

    /// Appends an item of `print`, whose numbers take `OFMT`.
    fn append_printed(&mut self, item: &'p Expr, line: &mut Vec<u8>) -> Run<()> {
        if matches!(item, Expr::Concat(_) | Expr::Text(_) | Expr::Field(_)) {
            return self.append(item, line);
        }
        match self.eval(item)? {
            Value::Number(value) => number::push(line, value, &self.ofmt),
            value => value.push_to(line, b""),
        }
        Ok(())
    }

    fn printf(&mut self, items: &'p [Expr], target: Option<&'p (Redirect, Expr)>) -> Run<()> {
        let pattern = self.text(&items[0])?;
        let values = items[1..]
            .iter()
            .map(|item| self.eval(item))
            .collect::<Run<Vec<Value>>>()?;
        let mut line = std::mem::take(&mut self.scratch);
        line.clear();
        format::format(&mut line, &pattern, &values, &self.convfmt)?;
        self.write(&line, target)?;
        self.scratch = line;
        Ok(())
    }

    fn write(&mut self, line: &[u8], target: Option<&'p (Redirect, Expr)>) -> Run<()> {
        let Some((kind, name)) = target else {
            self.streams.out.write_all(line)?;
            return Ok(());
        };
        let name = self.text(name)?;
        if name.is_empty() {
            return Err(Stop::Error(
                "fatal: expression for redirection has null string value".into(),
            ));
        }
        let writer = self.streams.writer(*kind, &name).map_err(|error| {
            let what = if *kind == Redirect::Pipe {
                "can't open pipe"
            } else {
                "can't redirect to"
            };
            let name = String::from_utf8_lossy(&name).into_owned();
            Stop::Error(format!("fatal: {what} `{name}' ({})", crate::io::reason(&error)))
        })?;
        match writer.write_all(line) {
            // A command that stopped reading is no reason to stop.
            Err(error) if crate::io::is_closed_pipe(&error) && *kind == Redirect::Pipe => Ok(()),
            other => Ok(other?),
        }
    }

    // Variables.

    /// The array behind a name.
    pub(super) fn array(&self, name: Name) -> Run<ArrayRef> {
        let cell = match name {
            Name::Global(slot) => &self.globals[slot],
            Name::Local(slot) => &self.locals[self.frame + slot],
        };
        match cell {
            Cell::Array(array) => Ok(Rc::clone(array)),
            Cell::Scalar(_) => Err(Stop::Error("fatal: attempt to use a scalar as an array".into())),
        }
    }

    /// Assigns a variable.
    pub(super) fn set(&mut self, name: Name, value: Value) -> Run<()> {
        match name {
            Name::Global(slot) if slot < special::HOOKED => self.set_global(slot, value),
            Name::Global(slot) => store(&mut self.globals[slot], value),
            Name::Local(slot) => store(&mut self.locals[self.frame + slot], value),
        }
    }

    fn set_global(&mut self, slot: usize, value: Value) -> Run<()> {
        if slot >= special::HOOKED {
            return store(&mut self.globals[slot], value);
        }
        match slot {
            special::NR => self.nr = value.number(),
            special::FNR => self.fnr = value.number(),
            special::NF => {
                let count = value.number();
                if count < 0.0 {
                    return Err(Stop::Error("fatal: NF set to negative value".into()));
                }
                self.record.set_count(count as usize)?;
            }
            special::OFS => {
                // Text that was not put together yet uses the old separator.
                let _ = self.record.text(&self.ofs, &self.convfmt);
                self.ofs = value.to_text(&self.convfmt);
            }
            special::ORS => self.ors = value.to_text(&self.convfmt),
            special::SUBSEP => self.subsep = value.to_text(&self.convfmt),
            special::CONVFMT => self.convfmt = value.to_text(b"%.6g"),
            special::OFMT => self.ofmt = value.to_text(b"%.6g"),
            special::IGNORECASE => {
                self.cache.set_ignore_case(value.truth());
                store(&mut self.globals[slot], value)?;
                return self.choose_splitter(special::FS);
            }
            _ => {}
        }
        store(&mut self.globals[slot], value)?;
        match slot {
            special::FS | special::FPAT | special::FIELDWIDTHS => self.choose_splitter(slot),
            special::RS => self.choose_separator(),
            _ => Ok(()),
        }
    }

    /// A variable that decides about fields was assigned.
    fn choose_splitter(&mut self, slot: usize) -> Run<()> {
        self.record.before_separator_change();
        let text = self.scalar_text(slot);
        let splitter = match slot {
            special::FPAT => Splitter::Content(self.cache.get(&text)?),
            special::FIELDWIDTHS => Splitter::Widths(Rc::new(super::splitting::widths(&text)?)),
            _ => super::splitting::splitter(&text, &mut self.cache)?,
        };
        self.record.splitter = splitter;
        Ok(())
    }

    fn choose_separator(&mut self) -> Run<()> {
        let text = self.scalar_text(special::RS);
        self.record.before_separator_change();
        self.record.paragraph = text.is_empty();
        self.separator = match text.as_slice() {
            [] => Separator::Paragraph,
            [byte] => Separator::Byte(*byte),
            _ => Separator::Regex(self.cache.get(&text)?),
        };
        Ok(())
    }
}

fn open_file(name: &[u8]) -> Result<File, String> {
    let shown = String::from_utf8_lossy(name);
    let file = File::open(crate::io::path(name)).map_err(|error| {
        format!(
            "fatal: cannot open file `{shown}' for reading: {}",
            crate::io::reason(&error)
        )
    })?;
    if file.metadata().is_ok_and(|found| found.is_dir()) {
        return Err(format!(
            "warning: command line argument `{shown}' is a directory: skipped"
        ));
    }
    Ok(file)
}

fn store(cell: &mut Cell, value: Value) -> Run<()> {
    match cell {
        Cell::Scalar(old) => {
            *old = value;
            Ok(())
        }
        Cell::Array(_) => Err(Stop::Error("fatal: attempt to use an array in a scalar context".into())),
    }
}

/// The key of a text.
pub(super) fn key(text: Vec<u8>) -> Key {
    Key(Rc::new(text))
}
