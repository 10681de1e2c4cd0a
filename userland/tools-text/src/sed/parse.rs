//! From the text of a script to commands.

use super::Settings;
use super::script::{Action, Address, Case, Command, Part, Pattern, Script, Substitute, Translate};
use crate::regex::{Escapes, Options, Regex, Syntax};
use std::collections::HashMap;
use std::rc::Rc;

/// A syntax error: where, in characters from 1, and what.
#[derive(Debug)]
pub struct ScriptError {
    pub at: usize,
    pub message: String,
}

/// Position of an error of the script as a whole.
pub const NO_POSITION: usize = usize::MAX;

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    settings: &'a Settings,
    out: Vec<Command>,
    outputs: Vec<Vec<u8>>,
    inputs: Vec<Vec<u8>>,
    labels: HashMap<Vec<u8>, usize>,
    jumps: Vec<(usize, Vec<u8>)>,
    blocks: Vec<usize>,
}

/// Parses a script.
///
/// # Errors
///
/// The first syntax error, in the words of GNU sed.
pub fn parse(text: &[u8], settings: &Settings) -> Result<Script, ScriptError> {
    let mut reader = Reader {
        text,
        at: 0,
        settings,
        out: Vec::new(),
        outputs: Vec::new(),
        inputs: Vec::new(),
        labels: HashMap::new(),
        jumps: Vec::new(),
        blocks: Vec::new(),
    };
    match reader.commands() {
        Ok(()) => Ok(Script {
            commands: reader.out,
            outputs: reader.outputs,
            inputs: reader.inputs,
        }),
        Err(message) => Err(ScriptError { at: reader.at, message }),
    }
}

type Parsed<T> = Result<T, String>;

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn blanks(&mut self) {
        self.skip(|b| b == b' ' || b == b'\t');
    }

    fn commands(&mut self) -> Parsed<()> {
        loop {
            self.skip(|b| b.is_ascii_whitespace() || b == b';');
            if self.peek().is_none() {
                break;
            }
            self.command()?;
        }
        if !self.blocks.is_empty() {
            self.at = 0;
            return Err("unmatched `{'".into());
        }
        self.resolve()
    }

    fn resolve(&mut self) -> Parsed<()> {
        let end = self.out.len();
        for (index, label) in std::mem::take(&mut self.jumps) {
            let target = match self.labels.get(&label) {
                _ if label.is_empty() => end,
                Some(&target) => target,
                None => {
                    self.at = NO_POSITION;
                    return Err(format!(
                        "can't find label for jump to `{}'",
                        String::from_utf8_lossy(&label)
                    ));
                }
            };
            if let Action::Branch(to) | Action::BranchIfReplaced(to) | Action::BranchUnlessReplaced(to) =
                &mut self.out[index].action
            {
                *to = target;
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<()> {
        let from = self.address(false)?;
        let mut to = None;
        if from.is_some() {
            self.blanks();
            if self.peek() == Some(b',') {
                self.at += 1;
                self.blanks();
                to = self.address(true)?;
                if to.is_none() {
                    self.at += 1;
                    return Err("unexpected `,'".into());
                }
            }
        }
        if matches!(from, Some(Address::Line(0))) && !matches!(to, Some(Address::Match(_))) {
            self.at += 1;
            return Err("invalid usage of line address 0".into());
        }
        self.blanks();
        let mut negate = false;
        while self.peek() == Some(b'!') {
            negate = true;
            self.at += 1;
            self.blanks();
        }
        let Some(letter) = self.next() else {
            return Err("missing command".into());
        };
        match letter {
            b'#' if from.is_some() => return Err("comments don't accept any addresses".into()),
            b'#' => self.skip(|b| b != b'\n'),
            b':' if from.is_some() => return Err(": doesn't want any addresses".into()),
            b':' => self.label_definition()?,
            b'}' => self.close(from.is_some())?,
            _ => {
                let index = self.out.len();
                let action = self.action(letter, index)?;
                self.out.push(Command {
                    from,
                    to,
                    negate,
                    action,
                });
                if !matches!(letter, b'{' | b'a' | b'i' | b'c') {
                    self.end_of_command()?;
                }
            }
        }
        Ok(())
    }

    fn close(&mut self, addressed: bool) -> Parsed<()> {
        if addressed {
            return Err("} doesn't want any addresses".into());
        }
        let Some(open) = self.blocks.pop() else {
            return Err("unexpected `}'".into());
        };
        self.out[open].action = Action::Block(self.out.len());
        self.end_of_command()
    }

    fn label_definition(&mut self) -> Parsed<()> {
        self.blanks();
        let label = self.word(|b| b == b'\n' || b == b';');
        if label.is_empty() {
            return Err("\":\" lacks a label".into());
        }
        self.labels.insert(label, self.out.len());
        Ok(())
    }

    fn word(&mut self, ends: impl Fn(u8) -> bool) -> Vec<u8> {
        let start = self.at;
        self.skip(|b| !ends(b));
        self.text[start..self.at].trim_ascii_end().to_vec()
    }

    fn end_of_command(&mut self) -> Parsed<()> {
        self.blanks();
        match self.peek() {
            None | Some(b'}' | b'#') => Ok(()),
            Some(b'\n' | b';') => {
                self.at += 1;
                Ok(())
            }
            Some(_) => {
                self.at += 1;
                Err("extra characters after command".into())
            }
        }
    }

    fn number(&mut self) -> u64 {
        let start = self.at;
        self.skip(|b| b.is_ascii_digit());
        let digits = std::str::from_utf8(&self.text[start..self.at]).unwrap_or("");
        digits.parse().unwrap_or(if digits.is_empty() { 0 } else { u64::MAX })
    }

    fn address(&mut self, second: bool) -> Parsed<Option<Address>> {
        let Some(byte) = self.peek() else { return Ok(None) };
        Ok(Some(match byte {
            b'0'..=b'9' => {
                let first = self.number();
                self.blanks();
                if self.peek() == Some(b'~') && !second {
                    self.at += 1;
                    Address::Step(first, self.number())
                } else {
                    Address::Line(first)
                }
            }
            b'$' => {
                self.at += 1;
                Address::Last
            }
            b'+' | b'~' if second => {
                self.at += 1;
                let count = self.number();
                if byte == b'+' {
                    Address::Plus(count)
                } else {
                    Address::Multiple(count)
                }
            }
            b'/' | b'\\' => {
                self.at += 1;
                let delimiter = if byte == b'/' {
                    b'/'
                } else {
                    self.next().unwrap_or(b'\n')
                };
                let text = self.delimited(delimiter, true).ok_or("unterminated address regex")?;
                let (mut icase, mut multi) = (false, false);
                loop {
                    match self.peek() {
                        Some(b'I') => icase = true,
                        Some(b'M') => multi = true,
                        _ => break,
                    }
                    self.at += 1;
                }
                Address::Match(self.pattern(&text, icase, multi)?)
            }
            _ => return Ok(None),
        }))
    }

    /// Text up to an unescaped `delimiter`, which is consumed. In an expression an escaped delimiter loses its
    /// backslash and `\n` stays for the translator; in a replacement all else stays.
    fn delimited(&mut self, delimiter: u8, expression: bool) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            match self.next()? {
                byte if byte == delimiter => return Some(out),
                b'\\' => {
                    let next = self.next()?;
                    if next == delimiter && !(next == b'n' && expression) {
                        // An escaped delimiter is that character itself, never an operator.
                        if !expression && next == b'&' {
                            out.push(b'\\');
                        }
                        out.push(next);
                    } else {
                        out.extend_from_slice(&[b'\\', next]);
                    }
                }
                b'\n' if expression => return None,
                byte => out.push(byte),
            }
        }
    }

    fn pattern(&self, text: &[u8], icase: bool, multi: bool) -> Parsed<Pattern> {
        if text.is_empty() {
            return Ok(None);
        }
        let mut options = Options::new(if self.settings.extended {
            Syntax::Extended
        } else {
            Syntax::Basic
        });
        options.ignore_case = icase;
        options.multi_line = multi;
        options.escapes = Escapes::Sed;
        let regex = Regex::new(&numeric_escapes(text, true), &options).map_err(|error| error.to_string())?;
        Ok(Some(Rc::new(regex)))
    }

    fn action(&mut self, letter: u8, index: usize) -> Parsed<Action> {
        Ok(match letter {
            b'{' => {
                self.blocks.push(index);
                Action::Block(0)
            }
            b'=' => Action::LineNumber,
            b'a' => Action::Append(self.text_argument()?),
            b'i' => Action::Insert(self.text_argument()?),
            b'c' => Action::Change(self.text_argument()?),
            b'b' | b't' | b'T' => self.jump(letter, index),
            b'd' => Action::Delete,
            b'D' => Action::DeleteFirst,
            b'F' => Action::FileName,
            b'g' => Action::Get,
            b'G' => Action::GetAppend,
            b'h' => Action::Hold,
            b'H' => Action::HoldAppend,
            b'x' => Action::Exchange,
            b'l' => Action::List(self.optional_number()),
            b'n' => Action::Next,
            b'N' => Action::NextAppend,
            b'p' => Action::Print,
            b'P' => Action::PrintFirst,
            b'q' => Action::Quit(self.status()),
            b'Q' => Action::QuitSilently(self.status()),
            b'r' => Action::ReadFile(self.file_name()?),
            b'R' => {
                let name = self.file_name()?;
                Action::ReadLine(intern(&mut self.inputs, name))
            }
            b'w' => Action::WriteFile(self.output()?),
            b'W' => Action::WriteFirst(self.output()?),
            b's' => Action::Substitute(Box::new(self.substitute()?)),
            b'y' => Action::Translate(Box::new(self.translate()?)),
            b'z' => Action::Zap,
            b'v' => {
                self.word(|b| b == b'\n' || b == b';');
                Action::Nothing
            }
            other => return Err(format!("unknown command: `{}'", char::from(other))),
        })
    }

    fn optional_number(&mut self) -> Option<usize> {
        self.blanks();
        let digit = self.peek().is_some_and(|b| b.is_ascii_digit());
        digit.then(|| usize::try_from(self.number()).unwrap_or(usize::MAX))
    }

    fn status(&mut self) -> i32 {
        self.optional_number().and_then(|n| i32::try_from(n).ok()).unwrap_or(0)
    }

    fn jump(&mut self, letter: u8, index: usize) -> Action {
        self.blanks();
        let label = self.word(|b| b == b'\n' || b == b';' || b == b'}');
        self.jumps.push((index, label));
        match letter {
            b'b' => Action::Branch(0),
            b't' => Action::BranchIfReplaced(0),
            _ => Action::BranchUnlessReplaced(0),
        }
    }

    fn file_name(&mut self) -> Parsed<Vec<u8>> {
        if self.settings.sandbox {
            return Err("e/r/w commands disabled in sandbox mode".into());
        }
        self.blanks();
        let start = self.at;
        self.skip(|b| b != b'\n');
        let name = self.text[start..self.at].to_vec();
        if name.is_empty() {
            Err("missing filename in r/R/w/W commands".into())
        } else {
            Ok(name)
        }
    }

    fn output(&mut self) -> Parsed<usize> {
        let name = self.file_name()?;
        Ok(intern(&mut self.outputs, name))
    }

    /// The text of `a`, `i`, `c`: after `\` and a newline, or on the same line; a backslash quotes a newline.
    fn text_argument(&mut self) -> Parsed<Vec<u8>> {
        self.blanks();
        if self.peek() == Some(b'\\') {
            self.at += 1;
            let mark = self.at;
            self.blanks();
            match self.peek() {
                Some(b'\n') => self.at += 1,
                _ => self.at = mark,
            }
        }
        if self.peek().is_none() {
            return Err("expected \\ after `a', `c' or `i'".into());
        }
        let mut out = Vec::new();
        while let Some(byte) = self.next() {
            match byte {
                b'\n' => break,
                b'\\' => match self.next() {
                    Some(next) => match Escapes::Sed.control(next).filter(|_| next != b'n' && !out.is_empty()) {
                        Some(control) => out.push(control),
                        None => out.push(next),
                    },
                    None => break,
                },
                _ => out.push(byte),
            }
        }
        out.push(b'\n');
        Ok(out)
    }

    fn substitute(&mut self) -> Parsed<Substitute> {
        let unterminated = "unterminated `s' command";
        let delimiter = self.next().ok_or(unterminated)?;
        if matches!(delimiter, b'\n' | b'\\') {
            return Err("delimiter character is not a single-byte character".into());
        }
        let pattern = self.delimited(delimiter, true).ok_or(unterminated)?;
        let replacement = self.delimited(delimiter, false).ok_or(unterminated)?;
        let replacement = replacement_parts(&numeric_escapes(&replacement, false));
        let mut out = Substitute {
            pattern: None,
            needs_groups: replacement.iter().any(|part| matches!(part, Part::Group(n) if *n > 0)),
            replacement,
            global: false,
            number: 0,
            print: false,
            write: None,
        };
        let (mut icase, mut multi) = (false, false);
        loop {
            match self.peek() {
                Some(b'g') if out.global => return Err("multiple `g' options to `s' command".into()),
                Some(b'g') => out.global = true,
                Some(b'p') => out.print = true,
                Some(b'i' | b'I') => icase = true,
                Some(b'm' | b'M') => multi = true,
                Some(b'0'..=b'9') => {
                    out.number = usize::try_from(self.number()).unwrap_or(usize::MAX);
                    if out.number == 0 {
                        return Err("number option to `s' command may not be zero".into());
                    }
                    continue;
                }
                Some(b'w') => {
                    self.at += 1;
                    out.write = Some(self.output()?);
                    break;
                }
                None | Some(b'\n' | b';' | b'}' | b'#' | b' ' | b'\t') => break,
                Some(_) => {
                    self.at += 1;
                    return Err("unknown option to `s'".into());
                }
            }
            self.at += 1;
        }
        out.pattern = self.pattern(&pattern, icase, multi)?;
        self.check_groups(&out)?;
        Ok(out)
    }

    fn check_groups(&self, found: &Substitute) -> Parsed<()> {
        let Some(regex) = &found.pattern else { return Ok(()) };
        let used = found.replacement.iter().filter_map(|part| match part {
            Part::Group(number) => Some(*number),
            _ => None,
        });
        match used.max() {
            Some(highest) if highest >= regex.group_count() => {
                Err(format!("invalid reference \\{highest} on `s' command's RHS"))
            }
            _ => Ok(()),
        }
    }

    fn translate(&mut self) -> Parsed<Translate> {
        let unterminated = "unterminated `y' command";
        let delimiter = self.next().ok_or(unterminated)?;
        let from = characters(&self.delimited(delimiter, true).ok_or(unterminated)?);
        let to = characters(&self.delimited(delimiter, true).ok_or(unterminated)?);
        if from.len() != to.len() {
            return Err("strings for `y' command are different lengths".into());
        }
        let mut out = Translate {
            bytes: std::array::from_fn(|i| i as u8),
            chars: Vec::new(),
        };
        for (a, b) in from.iter().zip(to) {
            match (a.as_slice(), b.as_slice()) {
                (&[byte], &[target]) => out.bytes[usize::from(byte)] = target,
                _ => {
                    let text = String::from_utf8_lossy(a);
                    out.chars.push((text.chars().next().unwrap_or('\0'), b));
                }
            }
        }
        Ok(out)
    }
}

fn intern(names: &mut Vec<Vec<u8>>, name: Vec<u8>) -> usize {
    names.iter().position(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}

/// The characters of an operand of `y`, with its escapes undone.
fn characters(text: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'\\' && at + 1 < text.len() {
            let next = text[at + 1];
            out.push(vec![Escapes::Sed.control(next).unwrap_or(next)]);
            at += 2;
            continue;
        }
        let (_, length) = crate::regex::literal_at(&text[at..]);
        out.push(text[at..at + length].to_vec());
        at += length;
    }
    out
}

/// Replaces `\xHH`, `\oNNN`, `\dNNN` and `\cX` by the character meant, quoted where it would mean something.
fn numeric_escapes(text: &[u8], expression: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'\\' || at + 1 >= text.len() {
            out.push(text[at]);
            at += 1;
            continue;
        }
        let (radix, digits) = match text[at + 1] {
            b'x' => (16, 2),
            b'o' => (8, 3),
            b'd' => (10, 3),
            _ => (0, 0),
        };
        let body = &text[at + 2..];
        let length = body
            .iter()
            .take(digits)
            .take_while(|b| char::from(**b).is_digit(radix.max(2)))
            .count();
        let code = std::str::from_utf8(&body[..length])
            .ok()
            .and_then(|t| u32::from_str_radix(t, radix.max(2)).ok());
        match code {
            Some(code) if length > 0 => {
                let byte = (code & 0xff) as u8;
                let special: &[u8] = if expression { b"[\\" } else { b"&\\" };
                if special.contains(&byte) {
                    out.push(b'\\');
                }
                out.push(byte);
                at += 2 + length;
            }
            _ if text[at + 1] == b'c' && at + 2 < text.len() => {
                out.push(text[at + 2].to_ascii_uppercase() ^ 0x40);
                at += 3;
            }
            _ => {
                out.extend_from_slice(&text[at..at + 2]);
                at += 2;
            }
        }
    }
    out
}

fn replacement_parts(text: &[u8]) -> Vec<Part> {
    let mut out: Vec<Part> = Vec::new();
    let mut literal = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let part = match (text[at], text.get(at + 1).copied()) {
            (b'&', _) => Part::Group(0),
            (b'\\', Some(digit @ b'0'..=b'9')) => Part::Group(usize::from(digit - b'0')),
            (b'\\', Some(b'U')) => Part::Case(Case::Upper),
            (b'\\', Some(b'L')) => Part::Case(Case::Lower),
            (b'\\', Some(b'E')) => Part::Case(Case::End),
            (b'\\', Some(b'u')) => Part::Case(Case::UpperNext),
            (b'\\', Some(b'l')) => Part::Case(Case::LowerNext),
            (b'\\', Some(next)) => {
                literal.push(Escapes::Sed.control(next).unwrap_or(next));
                at += 2;
                continue;
            }
            (byte, _) => {
                literal.push(byte);
                at += 1;
                continue;
            }
        };
        if !literal.is_empty() {
            out.push(Part::Literal(std::mem::take(&mut literal)));
        }
        at += if part == Part::Group(0) && text[at] == b'&' {
            1
        } else {
            2
        };
        out.push(part);
    }
    if !literal.is_empty() {
        out.push(Part::Literal(literal));
    }
    out
}
