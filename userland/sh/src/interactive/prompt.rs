//! Prompts.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::builtins::dirs::{present, shortened};
use crate::expand::user_name;
use crate::shell::{BASH_VERSION, Shell};
use crate::{clock, sys};

impl Shell {
    /// A prompt variable's text with its backslash escapes and expansions done. `\[` and `\]` become the bytes 1 and 2.
    pub fn prompt_text(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('\\') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let Some(c) = rest.chars().next() else {
                out.push('\\');
                break;
            };
            let digits = rest.bytes().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
            if digits == 3 {
                out.push(char::from(u8::from_str_radix(&rest[..3], 8).unwrap_or(b'?')));
                rest = &rest[3..];
                continue;
            }
            rest = &rest[c.len_utf8()..];
            if c == 'D'
                && let Some(end) = rest.find('}')
                && rest.starts_with('{')
            {
                let format = if end == 1 { "%X" } else { &rest[1..end] };
                out.push_str(&clock::format(format, now()));
                rest = &rest[end + 1..];
                continue;
            }
            let piece = self.prompt_escape(c);
            out.push_str(&piece);
        }
        out.push_str(rest);
        if self.shopts.promptvars {
            self.expand_value(&out)
        } else {
            out
        }
    }

    fn prompt_escape(&mut self, c: char) -> String {
        let quoted = |text: String| text.replace('\\', "\\\\").replace('$', "\\$").replace('`', "\\`");
        match c {
            'a' => "\u{7}".to_owned(),
            'e' => "\u{1b}".to_owned(),
            'n' => "\n".to_owned(),
            'r' => "\r".to_owned(),
            'u' => user_name(),
            'h' => sys::hostname().split('.').next().unwrap_or_default().to_owned(),
            'H' => sys::hostname(),
            'w' => quoted(shortened(self, &present(self))),
            'W' => {
                let dir = shortened(self, &present(self));
                quoted(if dir == "/" {
                    dir
                } else {
                    dir.rsplit('/').next().unwrap_or_default().to_owned()
                })
            }
            '$' => if sys::user_ids()[1] == 0 { "#" } else { "\\$" }.to_owned(),
            '?' => self.status.to_string(),
            'j' => self.jobs.all().len().to_string(),
            'l' => "tty".to_owned(),
            's' => self.arg0.rsplit('/').next().unwrap_or_default().to_owned(),
            'v' => BASH_VERSION[..3].to_owned(),
            'V' => BASH_VERSION[..6].to_owned(),
            't' => clock::format("%H:%M:%S", now()),
            'T' => clock::format("%I:%M:%S", now()),
            '@' => clock::format("%I:%M %p", now()),
            'A' => clock::format("%H:%M", now()),
            'd' => clock::format("%a %b %d", now()),
            '!' | '#' => self.history.next_number().to_string(),
            '[' => "\u{1}".to_owned(),
            ']' => "\u{2}".to_owned(),
            '\\' => "\\\\".to_owned(),
            c => format!("\\{c}"),
        }
    }
}

fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs() as i64)
}
