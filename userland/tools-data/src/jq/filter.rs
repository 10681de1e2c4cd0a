//! Compiling and running a filter.

use super::{errors, inputs, paths, table};
use crate::json;
use jaq_all::data::{self, Data, DataKind, Filter, Runner};
use jaq_core::compile::Compiler;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::native::{bome, run, v};
use jaq_core::{Ctx, Vars};
use jaq_json::{Error, Val};
use jaq_std::input::RcIter;

/// What jq has beyond jaq's definitions.
const DEFINITIONS: &str = include_str!("defs.jq");

/// What is ours in place of the engine's: numbers and errors as jq writes them, nesting bounded.
const REPLACED: &[&str] = &[
    "@csv",
    "@text",
    "@tsv",
    "debug_empty",
    "del",
    "delpaths",
    "fromjson",
    "input_filename",
    "ltrimstr",
    "rtrimstr",
    "stderr_empty",
    "tojson",
    "tostring",
];

/// A compiled program.
pub struct Program {
    filter: Filter,
}

/// What running a filter yields.
pub enum Event {
    /// An input is about to be filtered.
    Input,
    /// An output.
    Value(Val),
    /// An error; the input that caused it yields nothing more.
    Error(Error),
    /// The input is not JSON; there is no more.
    BadInput(String),
}

/// Whether to go on.
pub enum Next {
    Continue,
    /// End with this status.
    Stop(i32),
}

fn functions() -> impl Iterator<Item = jaq_core::native::Fun<DataKind>> {
    let base = data::base_funs().filter(|fun| !REPLACED.contains(&fun.0));
    let fromjson = run(("fromjson", v(0), |cv: jaq_core::Cv<'_, DataKind>| bome(fromjson(cv.1))));
    let tojson = run(("tojson", v(0), |cv: jaq_core::Cv<'_, DataKind>| bome(Ok(tojson(&cv.1)))));
    let debug = run(("debug_empty", v(0), |cv: jaq_core::Cv<'_, DataKind>| {
        let mut line = b"[\"DEBUG:\",".to_vec();
        json::write(&mut line, &cv.1, &json::Style::default());
        line.extend_from_slice(b"]\n");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), &line);
        Box::new(std::iter::empty())
    }));
    let stderr = run(("stderr_empty", v(0), |cv: jaq_core::Cv<'_, DataKind>| {
        let mut line = Vec::new();
        match &cv.1 {
            Val::TStr(text) => line.extend_from_slice(text),
            other => json::write(&mut line, other, &json::Style::default()),
        }
        let _ = std::io::Write::write_all(&mut std::io::stderr(), &line);
        Box::new(std::iter::empty())
    }));
    let plain = run(("tostring", v(0), |cv: jaq_core::Cv<'_, DataKind>| {
        bome(Ok(tostring(cv.1)))
    }));
    let text = run(("@text", v(0), |cv: jaq_core::Cv<'_, DataKind>| bome(Ok(tostring(cv.1)))));
    let delpaths = run(("delpaths", v(1), |mut cv: jaq_core::Cv<'_, DataKind>| {
        let paths = cv.0.pop_var();
        bome(paths::delete_all(cv.1, &paths))
    }));
    let name = run(("input_filename", v(0), |_: jaq_core::Cv<'_, DataKind>| {
        bome(Ok(inputs::current_name()))
    }));
    let line = run(("input_line_number", v(0), |_: jaq_core::Cv<'_, DataKind>| {
        bome(Ok(inputs::current_line()))
    }));
    let ltrimstr = run(("ltrimstr", v(1), |mut cv: jaq_core::Cv<'_, DataKind>| {
        let affix = cv.0.pop_var();
        bome(Ok(trim(cv.1, &affix, true)))
    }));
    let rtrimstr = run(("rtrimstr", v(1), |mut cv: jaq_core::Cv<'_, DataKind>| {
        let affix = cv.0.pop_var();
        bome(Ok(trim(cv.1, &affix, false)))
    }));
    let csv = run(("@csv", v(0), |cv: jaq_core::Cv<'_, DataKind>| {
        bome(table::row(&cv.1, table::Format::Csv))
    }));
    let tsv = run(("@tsv", v(0), |cv: jaq_core::Cv<'_, DataKind>| {
        bome(table::row(&cv.1, table::Format::Tsv))
    }));
    base.chain([
        fromjson, tojson, debug, stderr, plain, text, delpaths, name, line, ltrimstr, rtrimstr, csv, tsv,
    ])
}

/// Without the affix; anything but text stays as it is.
fn trim(value: Val, affix: &Val, front: bool) -> Val {
    let (Val::TStr(text), Val::TStr(affix)) = (&value, affix) else {
        return value;
    };
    let rest = if front {
        text.strip_prefix(&affix[..])
    } else {
        text.strip_suffix(&affix[..])
    };
    match rest {
        Some(rest) => Val::utf8_str(rest.to_vec()),
        None => value,
    }
}

/// Text as it is, anything else as JSON.
fn tostring(value: Val) -> Val {
    if matches!(value, Val::TStr(_)) {
        value
    } else {
        tojson(&value)
    }
}

fn tojson(value: &Val) -> Val {
    let mut out = Vec::new();
    json::write(&mut out, value, &json::Style::default());
    Val::utf8_str(out)
}

fn fromjson(value: Val) -> Result<Val, Error> {
    let Val::TStr(text) = &value else {
        return Err(Error::str(format!(
            "{} cannot be parsed as JSON",
            errors::described(&value)
        )));
    };
    let mut reader = json::Reader::new(&text[..]);
    let parsed = match reader.next_value() {
        None => return Ok(Val::Null),
        Some(parsed) => parsed,
    };
    let shown = String::from_utf8_lossy(text);
    let parsed = parsed.map_err(|message| Error::str(format!("{message} (while parsing '{shown}')")))?;
    match reader.next_value() {
        None => Ok(parsed),
        Some(_) => Err(Error::str(format!(
            "Unexpected extra JSON values (while parsing '{shown}')"
        ))),
    }
}

/// Compiles `text`, in which the variables `names` are defined.
///
/// # Errors
///
/// What to print on standard error, complete with its last line break.
pub fn compile(text: &str, names: &[String]) -> Result<Program, String> {
    if deepest_nesting(text) > json::DEPTH_LIMIT / 4 {
        return Err("jq: error: program nests too deeply\njq: 1 compile error\n".to_owned());
    }
    let own = jaq_core::load::parse(DEFINITIONS, |parser| parser.defs()).unwrap_or_default();
    let defs = jaq_all::defs().filter(|def| !REPLACED.contains(&def.name)).chain(own);
    let arena = Arena::default();
    let modules = Loader::new(defs)
        .load(&arena, File { path: (), code: text })
        .map_err(|found| errors::report(text, errors::load(found)))?;
    let vars: Vec<String> = names.iter().map(|name| format!("${name}")).collect();
    let filter = Compiler::default()
        .with_funs(functions())
        .with_global_vars(vars.iter().map(String::as_str))
        .compile(modules)
        .map_err(|found| errors::report(text, errors::compile(found)))?;
    Ok(Program { filter })
}

/// Deepest nesting of brackets, strings included: an upper bound for what the parser recurses into.
fn deepest_nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

impl Program {
    /// Runs the filter over `inputs`, or once on `null`; the status when the program or `emit` ended it.
    pub fn run(
        &self,
        values: Vec<Val>,
        inputs: impl Iterator<Item = Result<Val, String>>,
        null_input: bool,
        mut emit: impl FnMut(Event) -> Next,
    ) -> Option<i32> {
        let runner = Runner::default();
        let name = Val::Null;
        let inputs: Box<dyn Iterator<Item = Result<Val, String>> + '_> = Box::new(inputs);
        let inputs = RcIter::new(inputs);
        let data = Data {
            runner: &runner,
            lut: &self.filter.lut,
            inputs: &inputs,
            input_filename: &name,
        };
        let ctx: Ctx<'_, DataKind> = Ctx::new(&data, Vars::new(values));
        let null = RcIter::new(std::iter::once(Ok(Val::Null)));
        let next = || if null_input { (&null).next() } else { (&inputs).next() };
        while let Some(input) = next() {
            let input = match input {
                Ok(input) => input,
                Err(message) => {
                    if let Next::Stop(status) = emit(Event::BadInput(message)) {
                        return Some(status);
                    }
                    continue;
                }
            };
            emit(Event::Input);
            for output in self.filter.id.run((ctx.clone(), input)) {
                let (event, last) = match output {
                    Ok(value) => (Event::Value(value), false),
                    Err(exception) => match exception.get_err() {
                        Ok(error) => (Event::Error(error), true),
                        Err(exception) => return Some(exception.get_halt().unwrap_or(5)),
                    },
                };
                if let Next::Stop(status) = emit(event) {
                    return Some(status);
                }
                if last {
                    break;
                }
            }
        }
        None
    }
}
