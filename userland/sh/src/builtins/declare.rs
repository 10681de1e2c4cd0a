//! `declare`, `typeset`, `local`, `export`, `readonly`

use super::Args;
use crate::assign::{Key, split_subscript};
use crate::ast::AssignValue;
use crate::shell::{Exec, Shell};
use crate::text::{self, is_name};
use crate::vars::{Assoc, Value, Var, attr};
use std::collections::BTreeMap;

/// What the options of a declaration ask for.
#[derive(Debug, Default, Clone)]
struct Request {
    command: &'static str,
    on: u16,
    off: u16,
    indexed: bool,
    assoc: bool,
    print: bool,
    functions: bool,
    names_only: bool,
    global: bool,
    local: bool,
    inherit: bool,
}

/// Letters of a variable's attributes, as `${x@a}` gives them.
pub fn letters(var: &Var) -> String {
    let mut out = String::new();
    match var.value {
        Value::Indexed(_) => out.push('a'),
        Value::Assoc(_) => out.push('A'),
        _ => {}
    }
    for (bit, letter) in [
        (attr::INTEGER, 'i'),
        (attr::LOWER, 'l'),
        (attr::NAMEREF, 'n'),
        (attr::READONLY, 'r'),
        (attr::TRACE, 't'),
        (attr::UPPER, 'u'),
        (attr::EXPORT, 'x'),
        (attr::CAPITAL, 'c'),
    ] {
        if var.has(bit) {
            out.push(letter);
        }
    }
    out
}

/// The command that declares a variable as it is.
pub fn statement(name: &str, var: &Var, transform: bool) -> String {
    let letters = letters(var);
    let plain = transform && letters.is_empty();
    let head = match letters.is_empty() {
        true if plain => name.to_owned(),
        true => format!("declare -- {name}"),
        false => format!("declare -{letters} {name}"),
    };
    match value_text(var, transform) {
        Some(value) => format!("{head}={value}"),
        None => head,
    }
}

fn value_text(var: &Var, transform: bool) -> Option<String> {
    match &var.value {
        Value::Unset => None,
        Value::Scalar(text) if transform => Some(text::quote_single(text)),
        Value::Scalar(text) => Some(text::quote_double(text)),
        Value::Indexed(map) => {
            let items: Vec<String> = map
                .iter()
                .map(|(i, v)| format!("[{i}]={}", text::quote_double(v)))
                .collect();
            Some(format!("({})", items.join(" ")))
        }
        Value::Assoc(map) => {
            let items: Vec<String> = map
                .iter()
                .into_iter()
                .map(|(k, v)| format!("[{}]={} ", key_text(k), text::quote_double(v)))
                .collect();
            Some(format!("({})", items.concat()))
        }
    }
}

fn key_text(key: &str) -> String {
    let plain = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-./:,+@%^=".contains(c));
    if plain { key.to_owned() } else { text::quote_double(key) }
}

/// `declare`, `typeset`
pub fn declare(sh: &mut Shell, argv: &[String], args: &Args<'_>) -> Exec {
    let request = Request {
        command: "declare",
        local: sh.vars.in_function(),
        ..Request::default()
    };
    run(sh, argv, args, request)
}

/// `local`
pub fn local(sh: &mut Shell, argv: &[String], args: &Args<'_>) -> Exec {
    if !sh.vars.in_function() {
        sh.error("local: can only be used in a function");
        return Ok(1);
    }
    let request = Request {
        command: "local",
        local: true,
        ..Request::default()
    };
    run(sh, argv, args, request)
}

/// `export`
pub fn export(sh: &mut Shell, argv: &[String], args: &Args<'_>) -> Exec {
    let request = Request {
        command: "export",
        on: attr::EXPORT,
        ..Request::default()
    };
    run(sh, argv, args, request)
}

/// `readonly`
pub fn readonly(sh: &mut Shell, argv: &[String], args: &Args<'_>) -> Exec {
    let request = Request {
        command: "readonly",
        on: attr::READONLY,
        ..Request::default()
    };
    run(sh, argv, args, request)
}

fn run(sh: &mut Shell, argv: &[String], args: &Args<'_>, mut request: Request) -> Exec {
    let mut at = 1;
    while let Some(word) = argv.get(at) {
        let on = word.starts_with('-');
        if word == "--" {
            at += 1;
            break;
        }
        if word.len() < 2 || !on && !word.starts_with('+') {
            break;
        }
        for c in word[1..].chars() {
            if !option(&mut request, c, on) {
                return Ok(sh.usage(request.command, &format!("-{c}: invalid option")));
            }
        }
        at += 1;
    }
    if request.functions {
        return Ok(functions(sh, &argv[at..], &request));
    }
    if at >= argv.len() {
        return Ok(list(sh, &request));
    }
    if request.print && request.command != "export" && request.command != "readonly" {
        return Ok(print(sh, &argv[at..], request.command));
    }
    let mut status = 0;
    for (i, word) in argv.iter().enumerate().skip(at) {
        let literal = args.assigns.iter().find(|(n, _)| *n == i).map(|(_, a)| *a);
        status |= one(sh, word, literal, &request)?;
    }
    Ok(status)
}

fn option(request: &mut Request, c: char, on: bool) -> bool {
    let bit = match c {
        'x' => attr::EXPORT,
        'r' => attr::READONLY,
        'i' => attr::INTEGER,
        'l' => attr::LOWER,
        'u' => attr::UPPER,
        'c' => attr::CAPITAL,
        't' => attr::TRACE,
        'n' if request.command == "export" => {
            request.off |= attr::EXPORT;
            request.on &= !attr::EXPORT;
            return true;
        }
        'n' => attr::NAMEREF,
        'a' => {
            request.indexed = on;
            return true;
        }
        'A' => {
            request.assoc = on;
            return true;
        }
        'p' => {
            request.print = true;
            return true;
        }
        'f' => {
            request.functions = true;
            return true;
        }
        'F' => {
            request.functions = true;
            request.names_only = true;
            return true;
        }
        'g' => {
            request.global = true;
            return true;
        }
        'I' => {
            request.inherit = true;
            return true;
        }
        _ => return false,
    };
    if on {
        request.on |= bit;
        // `-l` and `-u` exclude each other.
        match bit {
            attr::LOWER => request.off |= attr::UPPER,
            attr::UPPER => request.off |= attr::LOWER,
            _ => {}
        }
    } else {
        request.off |= bit;
    }
    true
}

/// Declares one name.
fn one(sh: &mut Shell, word: &str, literal: Option<&crate::ast::Assign>, request: &Request) -> Exec {
    let Some(target) = parse(sh, word, literal) else {
        sh.error(&format!("{}: `{word}': not a valid identifier", request.command));
        return Ok(1);
    };
    if request.off & attr::READONLY != 0 && sh.vars.get(&target.name).is_some_and(|v| v.has(attr::READONLY)) {
        sh.error(&format!("{}: {}: readonly variable", request.command, target.name));
        return Ok(1);
    }
    let resolved = if request.on & attr::NAMEREF != 0 || request.local && !request.global {
        target.name.clone()
    } else {
        sh.vars.resolve(&target.name).to_owned()
    };
    let name = resolved.as_str();
    let make_local = request.local && !request.global;
    if make_local && sh.vars.localize(name) {
        let old = sh.vars.get(name).cloned();
        if old.as_ref().is_some_and(|v| v.has(attr::READONLY)) {
            sh.error(&format!("{}: {name}: readonly variable", request.command));
            return Ok(1);
        }
        let fresh = match old {
            Some(var) if request.inherit || sh.shopts.localvar_inherit => var,
            // A variable assigned before the call is what its local starts with.
            _ => Var::default(),
        };
        sh.vars.insert(name, fresh);
    }
    if request.global && sh.vars.is_local(name) {
        return global(sh, name, &target, request);
    }
    shape(sh, name, request)?;
    if let Err(flow) = assign(sh, name, &target, request) {
        return if flow == crate::shell::Flow::Abort {
            Ok(1)
        } else {
            Err(flow)
        };
    }
    if sh.vars.get(name).is_none() && !target.has_value() {
        // A special variable that is exported keeps its value.
        let value = sh.special(name).unwrap_or_default();
        sh.vars.insert(name, value);
    }
    let var = sh.vars.entry(name);
    var.attrs = var.attrs & !request.off | request.on;
    sh.changed(name);
    Ok(0)
}

/// `declare -g` in a function where the name is local.
fn global(sh: &mut Shell, name: &str, target: &Target<'_>, request: &Request) -> Exec {
    let (on, off) = (request.on, request.off);
    let value = target.value.clone();
    let shape = empty(request);
    sh.vars.with_global(name, |var| {
        if let Some(shape) = shape
            && !var.is_array()
        {
            var.value = shape;
        }
        if let Some(text) = value {
            var.value = Value::Scalar(text);
        }
        var.attrs = var.attrs & !off | on;
    });
    Ok(0)
}

fn empty(request: &Request) -> Option<Value> {
    if request.assoc {
        Some(Value::Assoc(Assoc::default()))
    } else if request.indexed {
        Some(Value::Indexed(BTreeMap::new()))
    } else {
        None
    }
}

/// Makes the variable the kind of array asked for.
fn shape(sh: &mut Shell, name: &str, request: &Request) -> Exec<()> {
    let Some(fresh) = empty(request) else { return Ok(()) };
    let old = sh.vars.get(name).map(|v| v.value.clone()).unwrap_or_default();
    let value = match (old, fresh) {
        (Value::Unset, fresh) => fresh,
        (old @ Value::Indexed(_), Value::Indexed(_)) | (old @ Value::Assoc(_), Value::Assoc(_)) => old,
        (Value::Scalar(text), Value::Indexed(_)) => Value::Indexed(BTreeMap::from([(0, text)])),
        (Value::Scalar(text), _) => {
            let mut map = Assoc::default();
            map.insert("0".to_owned(), text);
            Value::Assoc(map)
        }
        (Value::Indexed(_), _) => {
            return Err(sh.abort(&format!(
                "{}: {name}: cannot convert indexed to associative array",
                request.command
            )));
        }
        (Value::Assoc(_), _) => {
            return Err(sh.abort(&format!(
                "{}: {name}: cannot convert associative to indexed array",
                request.command
            )));
        }
    };
    sh.vars.entry(name).value = value;
    Ok(())
}

fn assign(sh: &mut Shell, name: &str, target: &Target<'_>, request: &Request) -> Exec<()> {
    if request.on & attr::INTEGER != 0 || request.on & (attr::LOWER | attr::UPPER | attr::CAPITAL) != 0 {
        let var = sh.vars.entry(name);
        var.attrs = var.attrs & !request.off | request.on & !attr::READONLY;
    }
    if request.on & attr::NAMEREF != 0 {
        if let Some(text) = &target.value {
            if text == name {
                return Err(sh.abort(&format!(
                    "{}: {name}: nameref variable self references not allowed",
                    request.command
                )));
            }
            sh.vars.entry(name).value = Value::Scalar(text.clone());
        }
        return Ok(());
    }
    if let Some(elements) = target.elements {
        return sh.assign_array(name, elements, target.append);
    }
    if let Some(text) = &target.value {
        if (request.indexed || request.assoc) && target.key.is_none() && text.starts_with('(') && text.ends_with(')') {
            // `declare -a "x=(1 2)"`: the text is read again.
            let syntax = sh.syntax();
            if let Ok(elements) = crate::parse::array_literal(text, syntax) {
                return sh.assign_array(name, &elements, target.append);
            }
        }
        return sh.assign(name, target.key.clone(), text.clone(), target.append);
    }
    Ok(())
}

/// What a word of a declaration names.
struct Target<'a> {
    name: String,
    key: Option<Key>,
    append: bool,
    value: Option<String>,
    elements: Option<&'a [crate::ast::Element]>,
}

impl Target<'_> {
    fn has_value(&self) -> bool {
        self.value.is_some() || self.elements.is_some()
    }
}

fn parse<'a>(sh: &mut Shell, word: &str, literal: Option<&'a crate::ast::Assign>) -> Option<Target<'a>> {
    if let Some(assign) = literal
        && let AssignValue::Array(elements) = &assign.value
    {
        return Some(Target {
            name: assign.name.clone(),
            key: None,
            append: assign.append,
            value: None,
            elements: Some(elements),
        });
    }
    let (mut left, value) = match word.split_once('=') {
        Some((left, value)) => (left, Some(value.to_owned())),
        None => (word, None),
    };
    let append = value.is_some() && left.ends_with('+');
    if append {
        left = &left[..left.len() - 1];
    }
    let (name, index) = match split_subscript(left) {
        Some((name, index)) => (name, Some(index)),
        None => (left, None),
    };
    if !is_name(name) {
        return None;
    }
    let key = match index {
        Some(index) if value.is_some() => Some(sh.key_of_text(name, index).ok()?),
        _ => None,
    };
    Some(Target {
        name: name.to_owned(),
        key,
        append,
        value,
        elements: None,
    })
}

/// Variables with the attributes asked for.
fn list(sh: &mut Shell, request: &Request) -> i32 {
    let mut names = if request.command == "local" {
        sh.vars.locals()
    } else {
        sh.vars.names()
    };
    if request.on & attr::READONLY != 0 {
        for name in crate::special::READONLY {
            if let Some(mut var) = sh.variable(name).filter(|_| sh.vars.get(name).is_none()) {
                var.attrs |= attr::READONLY;
                sh.vars.insert(name, var);
                names.push((*name).to_owned());
            }
        }
        names.sort_unstable();
    }
    let mut out = String::new();
    let plain = request.on == 0 && !request.indexed && !request.assoc && !request.print && request.command == "declare";
    for name in names {
        let Some(var) = sh.vars.get(&name) else { continue };
        let fits = (request.on == 0 || var.attrs & request.on != 0)
            && (!request.indexed || matches!(var.value, Value::Indexed(_)))
            && (!request.assoc || matches!(var.value, Value::Assoc(_)));
        if !fits {
            continue;
        }
        if plain || request.command == "local" {
            if let Some(line) = super::set::line(&name, var) {
                out.push_str(&line);
            }
        } else {
            out.push_str(&statement(&name, var, false));
            out.push('\n');
        }
    }
    if plain {
        out.push_str(&super::set::function_texts(sh));
    }
    sh.print(request.command, &out)
}

/// `declare -p name...`
fn print(sh: &mut Shell, names: &[String], command: &str) -> i32 {
    let mut status = 0;
    let mut out = String::new();
    for name in names {
        let found = match sh.vars.get(name) {
            Some(var) => Some(var.clone()),
            None => sh.variable(name),
        };
        match found {
            Some(var) => {
                out.push_str(&statement(name, &var, false));
                out.push('\n');
            }
            None => {
                sh.error(&format!("{command}: {name}: not found"));
                status = 1;
            }
        }
    }
    match sh.print(command, &out) {
        0 => status,
        failed => failed,
    }
}

/// `declare -f`, `-F`, `export -f`, `readonly -f`
fn functions(sh: &mut Shell, names: &[String], request: &Request) -> i32 {
    let mut status = 0;
    let mut out = String::new();
    let all = names.is_empty();
    let mut names = names.to_vec();
    if all {
        names = sh.functions.keys().cloned().collect();
        names.sort_unstable();
    }
    for name in &names {
        let Some(function) = sh.functions.get(name) else {
            if request.command == "export" || request.command == "readonly" {
                sh.error(&format!("{}: {name}: not a function", request.command));
            }
            status = 1;
            continue;
        };
        if request.on | request.off != 0 {
            export_function(&mut sh.vars, function, request);
            let attrs = sh.function_attrs.entry(name.clone()).or_default();
            *attrs = *attrs & !request.off | request.on;
        } else if !request.names_only {
            out.push_str(&crate::print::function(function));
            out.push('\n');
        } else if all {
            out.push_str(&format!("declare -f {name}\n"));
        } else {
            out.push_str(&format!("{name}\n"));
        }
    }
    match sh.print(request.command, &out) {
        0 => status,
        failed => failed,
    }
}

/// Keeps what programs get of an exported function: a variable that no name can be.
fn export_function(vars: &mut crate::vars::Vars, function: &crate::ast::Function, request: &Request) {
    let variable = format!("BASH_FUNC_{}%%", function.name);
    if request.on & attr::EXPORT != 0 {
        let text = crate::print::function(function);
        let body = text
            .split_once("() ")
            .map_or("", |(_, body)| body)
            .trim_start()
            .to_owned();
        let mut var = Var::scalar(format!("() {body}"));
        var.attrs = attr::EXPORT;
        vars.insert(&variable, var);
    } else if request.off & attr::EXPORT != 0 {
        vars.unset(&variable);
    }
}
