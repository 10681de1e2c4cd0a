//! From the schema of a tool to its flags, and from flags to input.
//!
//! A flag says what the schema's field is called and how its text is read; whether the result is admitted is up to the schema.
//! So text that is no number stays text, and is refused with the words of every other violation.

use crate::names::flag_of;
use crate::schema::kind_of;
use serde_json::{Map, Number, Value};
use std::collections::HashSet;

/// One field of a tool's input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    /// Its name in the input.
    pub(crate) name: String,
    /// Its flag without hyphens; none for what only JSON can say.
    pub(crate) flag: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    pub(crate) description: String,
    pub(crate) default: Option<Value>,
    /// What its values are, in a few words.
    pub(crate) values: String,
}

/// How the text of a flag is read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// As it is.
    Text,
    /// As a number.
    Number,
    /// As one of these scalars.
    Choice(Vec<Value>),
    /// No text: `--flag` or `--no-flag`.
    Switch,
    /// The flag is repeated; each text is read in this way.
    Many(Box<Kind>),
    /// Not at all.
    Json,
}

/// Flags that every tool has.
pub(crate) const RESERVED: [&str; 4] = ["json", "json-file", "help", "h"];
/// Steps that a reference inside a schema may take.
const REFERENCES: usize = 8;

/// The fields of a schema of an object: the required ones in their order, then the others by name.
pub(crate) fn fields(schema: &Value) -> Vec<Field> {
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let required = schema.get("required").and_then(Value::as_array);
    let required: Vec<&str> = required.into_iter().flatten().filter_map(Value::as_str).collect();
    let first = required.iter().filter_map(|name| properties.get_key_value(*name));
    let others = properties.iter().filter(|(name, _)| !required.contains(&name.as_str()));
    let mut fields: Vec<Field> = first
        .chain(others)
        .map(|(name, field)| Field::new(schema, name, field, required.contains(&name.as_str())))
        .collect();
    settle_conflicts(&mut fields);
    fields
}

/// Takes away the flags that two fields have in common, and those that every tool has.
fn settle_conflicts(fields: &mut [Field]) {
    let mut seen = HashSet::new();
    let flags = fields.iter().filter_map(|field| field.flag.clone());
    let twice: HashSet<String> = flags.filter(|flag| !seen.insert(flag.clone())).collect();
    for field in fields {
        let taken = |flag: &String| twice.contains(flag) || RESERVED.contains(&flag.as_str());
        if field.flag.as_ref().is_some_and(taken) {
            (field.flag, field.kind) = (None, Kind::Json);
        }
    }
}

impl Field {
    fn new(root: &Value, name: &str, schema: &Value, required: bool) -> Self {
        let resolved = resolve(root, schema);
        let kind = Kind::of(root, schema);
        let flag = flag_of(name).filter(|_| kind != Kind::Json);
        let text = |schema: &Value| schema.get("description").and_then(Value::as_str).map(str::to_owned);
        Self {
            name: name.to_owned(),
            kind: if flag.is_some() { kind } else { Kind::Json },
            flag,
            required,
            description: text(schema).or_else(|| text(resolved)).unwrap_or_default(),
            default: schema.get("default").or_else(|| resolved.get("default")).cloned(),
            values: values_of(root, schema),
        }
    }
}

impl Kind {
    fn of(root: &Value, schema: &Value) -> Self {
        let schema = plain(root, schema);
        if let Some(options) = schema.get("enum").and_then(Value::as_array) {
            return Self::choice(options.clone());
        }
        if let Some(only) = schema.get("const") {
            return Self::choice(vec![only.clone()]);
        }
        match type_of(schema) {
            Some("string") => Self::Text,
            Some("number" | "integer") => Self::Number,
            Some("boolean") => Self::Switch,
            Some("array") => match schema.get("items").map(|items| Self::of(root, items)) {
                // Text says what a switch in a list is.
                Some(Self::Switch) => Self::many(Self::Choice(vec![Value::Bool(true), Value::Bool(false)])),
                Some(item @ (Self::Text | Self::Number | Self::Choice(_))) => Self::many(item),
                _ => Self::Json,
            },
            _ => Self::Json,
        }
    }

    fn choice(options: Vec<Value>) -> Self {
        match options.iter().any(|option| option.is_array() || option.is_object()) {
            true => Self::Json,
            false => Self::Choice(options),
        }
    }

    fn many(item: Self) -> Self {
        Self::Many(Box::new(item))
    }

    /// Reads a text. What cannot be read stays a text, which the schema then refuses.
    pub(crate) fn read(&self, text: &str) -> Value {
        let as_text = || Value::String(text.to_owned());
        match self {
            Self::Number => number(text).map_or_else(as_text, Value::Number),
            Self::Choice(options) => {
                let same = |option: &&Value| match option {
                    Value::String(option) => option == text,
                    other => {
                        let written = other.to_string();
                        written == text
                    }
                };
                options.iter().find(same).cloned().unwrap_or_else(as_text)
            }
            Self::Switch => match text {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => as_text(),
            },
            Self::Many(item) => item.read(text),
            Self::Text | Self::Json => as_text(),
        }
    }
}

/// A decimal number; a whole one is read as such, however it is written.
fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    // No `inf`, `nan` or `infinity`.
    if !digits.starts_with(|char: char| char.is_ascii_digit() || char == '.') {
        return None;
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Some(whole.into());
    }
    let float: f64 = text.parse().ok()?;
    // Below 2^53 the conversion is exact.
    #[allow(clippy::cast_possible_truncation)]
    match float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 {
        true => Some((float as i64).into()),
        false => Number::from_f64(float),
    }
}

/// The schema that a reference leads to.
fn resolve<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    for _ in 0..REFERENCES {
        let target = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|to| to.strip_prefix('#'));
        match target.and_then(|pointer| root.pointer(pointer)) {
            Some(found) => schema = found,
            None => break,
        }
    }
    schema
}

/// The same, and of "this or null" what is not null: leaving the flag out says that.
fn plain<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let schema = resolve(root, schema);
    let Some(options) = schema.get("anyOf").and_then(Value::as_array) else {
        return schema;
    };
    let mut others = options.iter().filter(|option| type_of(option) != Some("null"));
    match (others.next(), others.next()) {
        (Some(only), None) if options.len() == 2 => resolve(root, only),
        _ => schema,
    }
}

/// The one type of a schema, besides null.
fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(one) => Some(one),
        Value::Array(several) => {
            let mut others = several.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            others.next().filter(|_| others.next().is_none())
        }
        _ => None,
    }
}

/// What the help says of a field's values.
fn values_of(root: &Value, schema: &Value) -> String {
    let schema = plain(root, schema);
    if let Some(options) = schema.get("enum").and_then(Value::as_array) {
        let shown: Vec<String> = options
            .iter()
            .map(|option| option.as_str().map_or_else(|| option.to_string(), str::to_owned))
            .collect();
        return shown.join("|");
    }
    match type_of(schema) {
        Some("array") => schema
            .get("items")
            .map_or_else(|| "array".to_owned(), |items| values_of(root, items)),
        Some(kind) => kind.to_owned(),
        None if schema.get("anyOf").is_some() || schema.get("oneOf").is_some() => "union".to_owned(),
        None => kind_of(schema),
    }
}

/// Input from flags: `args` is what follows the name of the tool.
///
/// # Errors
/// What the guest is told.
pub(crate) fn read(fields: &[Field], args: &[&str]) -> Result<Map<String, Value>, String> {
    let mut input = Map::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let Some(given) = arg.strip_prefix("--").filter(|name| !name.is_empty()) else {
            return Err(format!("Unexpected argument: {arg}"));
        };
        let (name, attached) = match given.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (given, None),
        };
        let (field, negated) = find(fields, name)?;
        if negated && attached.is_some() {
            return Err(format!("Flag --{name} takes no value"));
        }
        let text = match (&field.kind, attached) {
            (Kind::Switch, None) if negated => "false",
            (Kind::Switch, None) => "true",
            (_, Some(value)) => value,
            (_, None) => args.next().ok_or_else(|| format!("Flag --{name} needs a value"))?,
        };
        put(&mut input, field, text)?;
    }
    match fields
        .iter()
        .find(|field| field.required && !input.contains_key(&field.name))
    {
        Some(missing) => Err(missing_text(missing)),
        None => Ok(input),
    }
}

/// What is said of a required field that no flag has given.
pub(crate) fn missing_text(field: &Field) -> String {
    match &field.flag {
        Some(flag) => format!("Missing required flag: --{flag}"),
        None => format!(
            "Missing required field: {} (give the whole input with --json)",
            field.name
        ),
    }
}

fn put(input: &mut Map<String, Value>, field: &Field, text: &str) -> Result<(), String> {
    let value = field.kind.read(text);
    match (&field.kind, input.get_mut(&field.name)) {
        (Kind::Many(_), Some(Value::Array(items))) => items.push(value),
        (Kind::Many(_), _) => drop(input.insert(field.name.clone(), Value::Array(vec![value]))),
        (_, None) => drop(input.insert(field.name.clone(), value)),
        (_, Some(_)) => {
            let flag = field.flag.as_deref().unwrap_or_default();
            return Err(format!("Flag --{flag} is given twice"));
        }
    }
    Ok(())
}

/// The field of a flag, and whether the flag is its negation.
fn find<'a>(fields: &'a [Field], name: &str) -> Result<(&'a Field, bool), String> {
    let named = |name: &str| fields.iter().find(|field| field.flag.as_deref() == Some(name));
    if let Some(field) = named(name) {
        return Ok((field, false));
    }
    let negated = name.strip_prefix("no-").and_then(named);
    if let Some(field) = negated.filter(|field| field.kind == Kind::Switch) {
        return Ok((field, true));
    }
    if RESERVED.contains(&name) {
        return Err(format!("--{name} cannot be combined with other flags"));
    }
    if let Some(field) = fields
        .iter()
        .find(|field| field.flag.is_none() && flag_of(&field.name).as_deref() == Some(name))
    {
        return Err(format!("{} can be given with --json only", field.name));
    }
    let near = fields
        .iter()
        .filter_map(|field| field.flag.as_deref())
        .map(|flag| (strsim::damerau_levenshtein(flag, &crate::names::cut(name, 64)), flag))
        .min()
        .filter(|(distance, flag)| *distance <= 2.max(flag.len() / 3));
    let hint = near.map_or_else(String::new, |(_, flag)| format!(" (did you mean --{flag}?)"));
    Err(format!("Unknown flag: --{}{hint}", crate::names::cut(name, 64)))
}

impl Field {
    /// Whether its flag stands alone.
    pub(crate) fn is_switch(&self) -> bool {
        self.kind == Kind::Switch
    }
}
