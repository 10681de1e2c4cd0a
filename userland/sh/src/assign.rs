//! Reading and setting variables by name and subscript, with their attributes.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::arith;
use crate::ast::{Assign, AssignValue, Element, Word};
use crate::parse;
use crate::shell::{Exec, Flow, Shell};
use crate::vars::{Assoc, Value, Var, attr};

/// A subscript, evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// Of an indexed array.
    Index(u64),
    /// Of an associative array.
    Text(String),
}

impl Shell {
    /// The text of a variable by name, following references; of an array, element 0.
    pub fn get(&mut self, name: &str) -> Option<String> {
        if let Some(var) = self.vars.get(name) {
            if !var.has(attr::NAMEREF) {
                return var.text().map(str::to_owned);
            }
            let target = self.vars.resolve(name).to_owned();
            if let Some((base, index)) = split_subscript(&target) {
                return self.element_text(base, index);
            }
            return match self.vars.get(&target) {
                Some(var) => var.text().map(str::to_owned),
                None => self.special(&target).and_then(|v| v.text().map(str::to_owned)),
            };
        }
        match self.special(name) {
            Some(var) => var.text().map(str::to_owned),
            None => self.special_array(name).and_then(|v| v.text().map(str::to_owned)),
        }
    }

    fn element_text(&mut self, base: &str, index: &str) -> Option<String> {
        let key = self.key_of_text(base, index).ok()?;
        self.get_element(base, &key)
    }

    /// A whole variable by name, following references.
    pub fn variable(&mut self, name: &str) -> Option<Var> {
        let name = self.vars.resolve(name).to_owned();
        if let Some(var) = self.vars.get(&name) {
            return Some(var.clone());
        }
        self.special(&name).or_else(|| self.special_array(&name))
    }

    /// An element of an array.
    pub fn get_element(&mut self, name: &str, key: &Key) -> Option<String> {
        let find = |var: &Var| match (&var.value, key) {
            (Value::Indexed(map), Key::Index(i)) => map.get(i).cloned(),
            (Value::Assoc(map), Key::Text(k)) => map.get(k).cloned(),
            (Value::Scalar(text), Key::Index(0)) => Some(text.clone()),
            _ => None,
        };
        let name = self.vars.resolve(name);
        if let Some(var) = self.vars.get(name) {
            return find(var);
        }
        let name = name.to_owned();
        self.special_array(&name)
            .or_else(|| self.special(&name))
            .and_then(|var| find(&var))
    }

    fn is_assoc(&self, name: &str) -> bool {
        let name = self.vars.resolve(name);
        self.vars.get(name).is_some_and(|v| matches!(v.value, Value::Assoc(_)))
    }

    /// Evaluates a subscript as the variable needs it.
    pub fn key(&mut self, name: &str, index: &Word) -> Exec<Key> {
        let text = self.expand_text(index)?;
        if self.is_assoc(name) {
            return Ok(Key::Text(text));
        }
        self.index_key(name, &text)
    }

    /// As [`Shell::key`], to read: a subscript before the beginning is a message and no element.
    pub fn key_to_read(&mut self, name: &str, index: &Word) -> Exec<Option<Key>> {
        let status = self.status;
        match self.key(name, index) {
            Ok(key) => Ok(Some(key)),
            Err(Flow::Abort) if self.bad_subscript => {
                self.bad_subscript = false;
                self.status = status;
                Ok(None)
            }
            Err(flow) => Err(flow),
        }
    }

    /// As [`Shell::key`], from text that may hold expansions.
    pub fn key_of_text(&mut self, name: &str, index: &str) -> Exec<Key> {
        if index.contains(['$', '`', '"', '\'', '\\']) {
            let word = parse::plain_word(index, self.syntax())
                .map_err(|_| self.abort(&format!("{name}[{index}]: bad array subscript")))?;
            return self.key(name, &word);
        }
        if self.is_assoc(name) {
            return Ok(Key::Text(index.to_owned()));
        }
        self.index_key(name, index)
    }

    fn index_key(&mut self, name: &str, text: &str) -> Exec<Key> {
        if text.trim().is_empty() {
            return Err(self.abort(&format!("{name}[{text}]: bad array subscript")));
        }
        let mut index = self.arith_text(text)?;
        if index < 0 {
            let name = self.vars.resolve(name).to_owned();
            let var = match self.vars.get(&name) {
                Some(var) => Some(var.clone()),
                None => self.special_array(&name),
            };
            let end = match var.as_ref().map(|v| &v.value) {
                Some(Value::Indexed(map)) => map.keys().next_back().map_or(0, |last| *last as i64 + 1),
                Some(Value::Scalar(_)) => 1,
                _ => 0,
            };
            index += end;
            if index < 0 {
                self.bad_subscript = true;
                return Err(self.abort(&format!("{name}[{text}]: bad array subscript")));
            }
        }
        Ok(Key::Index(index as u64))
    }

    /// Sets a variable's text, honouring attributes and references.
    pub fn set(&mut self, name: &str, text: &str) -> Exec<()> {
        self.assign(name, None, text.to_owned(), false)
    }

    /// Sets a variable or one of its elements.
    pub fn assign(&mut self, name: &str, key: Option<Key>, text: String, append: bool) -> Exec<()> {
        // The commonest case: an ordinary variable that exists.
        if key.is_none()
            && let Some(var) = self.vars.get_mut(name)
            && var.attrs & !attr::EXPORT == 0
            && let Value::Scalar(old) = &mut var.value
        {
            if append {
                old.push_str(&text);
            } else {
                *old = text;
            }
            self.changed(name);
            return Ok(());
        }
        self.assign_slowly(name, key, text, append)
    }

    fn assign_slowly(&mut self, name: &str, mut key: Option<Key>, text: String, append: bool) -> Exec<()> {
        let mut target = self.vars.resolve(name).to_owned();
        if let Some((base, index)) = split_subscript(&target) {
            let (base, index) = (base.to_owned(), index.to_owned());
            key = Some(self.key_of_text(&base, &index)?);
            target = base;
        }
        let name = target.as_str();
        self.check_writable(name)?;
        if self.vars.get(name).is_none() && key.is_none() && self.set_special(name, &text) {
            return Ok(());
        }
        let attrs = self.vars.get(name).map_or(0, |v| v.attrs);
        let old = append.then(|| match &key {
            Some(key) => self.get_element(name, key),
            None => self.vars.text(name).map(str::to_owned),
        });
        let text = self.with_attributes(attrs, old.flatten(), text)?;
        if self.opts.allexport {
            self.vars.entry(name).attrs |= attr::EXPORT;
        }
        store(self.vars.entry(name), key, text);
        self.changed(name);
        Ok(())
    }

    /// What a text becomes by attributes and appending.
    fn with_attributes(&mut self, attrs: u16, old: Option<String>, text: String) -> Exec<String> {
        if attrs & attr::INTEGER != 0 {
            let mut value = self.arith_text(&text)?;
            if let Some(old) = old {
                value = value.wrapping_add(self.arith_text(&old)?);
            }
            return Ok(value.to_string());
        }
        let text = match old {
            Some(old) => old + &text,
            None => text,
        };
        Ok(if attrs & attr::LOWER != 0 {
            text.to_lowercase()
        } else if attrs & attr::UPPER != 0 {
            text.to_uppercase()
        } else if attrs & attr::CAPITAL != 0 {
            let mut chars = text.chars();
            chars.next().map_or(String::new(), |c| {
                c.to_uppercase().chain(chars.as_str().to_lowercase().chars()).collect()
            })
        } else {
            text
        })
    }

    /// Whether a variable is read-only.
    pub fn is_readonly(&self, name: &str) -> bool {
        match self.vars.get(name) {
            Some(var) => var.has(attr::READONLY),
            None => crate::special::READONLY.contains(&name),
        }
    }

    /// Fails, with a message, for a read-only variable.
    pub fn check_writable(&mut self, name: &str) -> Exec<()> {
        if self.is_readonly(name) {
            return Err(self.abort(&format!("{name}: readonly variable")));
        }
        Ok(())
    }

    /// What follows from a change of certain variables.
    pub fn changed(&mut self, name: &str) {
        match name {
            "IFS" => self.ifs = None,
            "PATH" => self.hash.clear(),
            "OPTIND" => self.getopts_at = 0,
            _ => {}
        }
    }

    /// `IFS`
    pub fn ifs(&mut self) -> Rc<str> {
        if let Some(ifs) = &self.ifs {
            return Rc::clone(ifs);
        }
        let ifs: Rc<str> = Rc::from(self.vars.text("IFS").unwrap_or(" \t\n"));
        self.ifs = Some(Rc::clone(&ifs));
        ifs
    }

    /// Carries out an assignment as written.
    pub fn run_assign(&mut self, assign: &Assign) -> Exec<()> {
        match &assign.value {
            AssignValue::Word(word) => {
                let text = self.expand_assigned(word)?;
                let key = match &assign.index {
                    Some(index) => Some(self.key(&assign.name, index)?),
                    None => None,
                };
                if self.opts.xtrace {
                    let op = if assign.append { "+=" } else { "=" };
                    let index = assign.index.as_ref().map_or(String::new(), |i| format!("[{}]", i.raw));
                    self.trace(&format!(
                        "{}{index}{op}{}",
                        assign.name,
                        crate::text::quote_if_needed_value(&text)
                    ));
                }
                self.assign(&assign.name, key, text, assign.append)
            }
            AssignValue::Array(elements) => {
                if self.opts.xtrace {
                    let texts: Vec<&str> = elements.iter().map(|e| &*e.value.raw).collect();
                    self.trace(&format!("{}=({})", assign.name, texts.join(" ")));
                }
                self.assign_array(&assign.name, elements, assign.append)
            }
        }
    }

    /// Sets an array from a literal. The elements are expanded before the old value goes.
    pub fn assign_array(&mut self, name: &str, elements: &[Element], append: bool) -> Exec<()> {
        let name = self.vars.resolve(name).to_owned();
        self.check_writable(&name)?;
        if self.is_assoc(&name) {
            return self.assign_assoc(&name, elements, append);
        }
        let mut items = Vec::new();
        for element in elements {
            if let Some(index) = &element.index {
                let key = self.key(&name, index)?;
                let text = self.expand_assigned(&element.value)?;
                items.push(self.item(&name, Some(key), element.append, text)?);
            } else {
                for text in self.expand_words(std::slice::from_ref(&element.value))? {
                    items.push(self.item(&name, None, false, text)?);
                }
            }
        }
        // The old elements stay in place: appending costs what is appended.
        let var = self.vars.entry(&name);
        let mut map = match std::mem::take(&mut var.value) {
            Value::Indexed(map) if append => map,
            Value::Scalar(text) if append => BTreeMap::from([(0, text)]),
            _ => BTreeMap::new(),
        };
        let mut next = map.keys().next_back().map_or(0, |last| last.saturating_add(1));
        for (key, append, text) in items {
            let at = match key {
                Some(Key::Index(at)) => at,
                _ => next,
            };
            let slot = map.entry(at).or_default();
            if !append {
                slot.clear();
            }
            slot.push_str(&text);
            next = at.saturating_add(1);
        }
        var.value = Value::Indexed(map);
        self.changed(&name);
        Ok(())
    }

    /// An element to be stored: attributes are applied here, where the old elements can still be read.
    fn item(&mut self, name: &str, key: Option<Key>, append: bool, text: String) -> Exec<(Option<Key>, bool, String)> {
        let attrs = self.vars.get(name).map_or(0, |v| v.attrs);
        if attrs & (attr::INTEGER | attr::LOWER | attr::UPPER | attr::CAPITAL) == 0 {
            return Ok((key, append, text));
        }
        let old = match &key {
            Some(key) if append => self.get_element(name, key),
            _ => None,
        };
        let text = self.with_attributes(attrs, old, text)?;
        Ok((key, false, text))
    }

    fn assign_assoc(&mut self, name: &str, elements: &[Element], append: bool) -> Exec<()> {
        let mut items = Vec::new();
        let mut pending: Option<String> = None;
        for element in elements {
            let Some(index) = &element.index else {
                // `(key value key value)`
                let text = self.expand_assigned(&element.value)?;
                match pending.take() {
                    None => pending = Some(text),
                    Some(key) => items.push((Some(Key::Text(key)), false, text)),
                }
                continue;
            };
            let key = Key::Text(self.expand_text(index)?);
            let text = self.expand_assigned(&element.value)?;
            items.push(self.item(name, Some(key), element.append, text)?);
        }
        items.extend(pending.map(|key| (Some(Key::Text(key)), false, String::new())));
        let var = self.vars.entry(name);
        let mut map = match std::mem::take(&mut var.value) {
            Value::Assoc(map) if append => map,
            _ => Assoc::default(),
        };
        for (key, append, text) in items {
            let Some(Key::Text(key)) = key else { continue };
            let old = if append {
                map.get(&key).cloned().unwrap_or_default()
            } else {
                String::new()
            };
            map.insert(key, old + &text);
        }
        var.value = Value::Assoc(map);
        Ok(())
    }

    /// Removes a variable or an element.
    pub fn unset_variable(&mut self, name: &str, key: Option<&Key>) -> Exec<()> {
        let name = self.vars.resolve(name).to_owned();
        if self.vars.get(&name).is_some_and(|v| v.has(attr::READONLY)) {
            self.error(&format!("unset: {name}: cannot unset: readonly variable"));
            self.status = 1;
            return Err(Flow::Abort);
        }
        match key {
            None if self.vars.get(&name).is_none() && self.special(&name).is_some() => self.ordinary.push(name.clone()),
            None => self.vars.unset(&name),
            Some(key) => {
                if let Some(var) = self.vars.get_mut(&name) {
                    match (&mut var.value, key) {
                        (Value::Indexed(map), Key::Index(i)) => drop(map.remove(i)),
                        (Value::Assoc(map), Key::Text(k)) => map.remove(k),
                        (Value::Scalar(_), Key::Index(0)) => self.vars.unset(&name),
                        _ => {}
                    }
                }
            }
        }
        self.changed(&name);
        Ok(())
    }

    /// Evaluates an arithmetic text in which nothing needs expanding any more.
    pub fn arith_text(&mut self, text: &str) -> Exec<i64> {
        if let Ok(n) = text.parse::<i64>()
            && !text.starts_with(['0', '+', '-'])
        {
            return Ok(n);
        }
        let result = arith::parse(text).and_then(|expr| arith::evaluate(&expr, self));
        result.map_err(|error| self.arith_error(text, &error))
    }

    /// Reports an arithmetic error, unless reading a variable already did.
    pub fn arith_error(&mut self, text: &str, error: &str) -> Flow {
        if error.is_empty() {
            self.status = 1;
            return Flow::Abort;
        }
        let text = text.trim_start();
        let error = if error.contains("error token") {
            error.to_owned()
        } else {
            format!(
                "{error} (error token is \"{}\")",
                text.rsplit(['/', '%', ' ']).next().unwrap_or("")
            )
        };
        self.abort(&format!("{text}: {error}"))
    }
}

fn store(var: &mut Var, key: Option<Key>, text: String) {
    match (&mut var.value, key) {
        (Value::Indexed(map), None) => drop(map.insert(0, text)),
        (Value::Indexed(map), Some(Key::Index(i))) => drop(map.insert(i, text)),
        (Value::Assoc(map), None) => map.insert("0".to_owned(), text),
        (Value::Assoc(map), Some(Key::Text(k))) => map.insert(k, text),
        (value, None) => *value = Value::Scalar(text),
        (value, Some(Key::Index(i))) => {
            let mut map = BTreeMap::new();
            if let Value::Scalar(old) = value {
                map.insert(0, std::mem::take(old));
            }
            map.insert(i, text);
            *value = Value::Indexed(map);
        }
        (value, Some(Key::Text(k))) => {
            let mut map = Assoc::default();
            map.insert(k, text);
            *value = Value::Assoc(map);
        }
    }
}

/// `name[index]` taken apart.
pub fn split_subscript(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once('[')?;
    Some((name, rest.strip_suffix(']')?))
}

impl arith::Context for Shell {
    fn read(&mut self, place: &arith::Place) -> Result<Option<String>, arith::Error> {
        let text = match &place.index {
            None => self.get(&place.name),
            Some(index) => {
                let key = self.key_of_text(&place.name, index).map_err(|_| String::new())?;
                self.get_element(&place.name, &key)
            }
        };
        if text.is_none() && self.opts.nounset {
            self.error(&format!("{}: unbound variable", place.name));
            return Err(String::new());
        }
        Ok(text)
    }

    fn write(&mut self, place: &arith::Place, value: i64) -> Result<(), arith::Error> {
        let key = match &place.index {
            None => None,
            Some(index) => Some(self.key_of_text(&place.name, index).map_err(|_| String::new())?),
        };
        self.assign(&place.name, key, value.to_string(), false)
            .map_err(|_| String::new())
    }
}
