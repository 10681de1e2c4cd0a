//! Variables whose value is made when it is asked for.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::shell::{BASH_VERSION, Shell};
use crate::sys;
use crate::vars::{Value, Var, attr};

/// Those that cannot be assigned to.
pub const READONLY: &[&str] = &["BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID"];

impl Shell {
    /// The variable of a name, made now if it is one of bash's own.
    pub fn special(&mut self, name: &str) -> Option<Var> {
        if !self.ordinary.is_empty() && self.ordinary.iter().any(|n| n == name) {
            return None;
        }
        let text = match name.as_bytes().first()? {
            b'A'..=b'Z' => self.special_text(name)?,
            b'_' if name == "_" => self.last_arg.clone(),
            _ => return None,
        };
        Some(Var::scalar(text))
    }

    fn special_text(&mut self, name: &str) -> Option<String> {
        Some(match name {
            "RANDOM" => self.next_random().to_string(),
            "SRANDOM" => (u64::from(self.next_random()) << 17 ^ u64::from(self.next_random()) << 2).to_string(),
            "LINENO" => self.line.to_string(),
            "SECONDS" => {
                let started = *self.started.get_or_insert_with(Instant::now);
                (self.seconds_base + started.elapsed().as_secs() as i64).to_string()
            }
            "EPOCHSECONDS" => now().as_secs().to_string(),
            "EPOCHREALTIME" => format!("{}.{:06}", now().as_secs(), now().subsec_micros()),
            "BASHPID" => sys::pid().to_string(),
            "BASH_SUBSHELL" => self.subshell.to_string(),
            "BASH_COMMAND" => self.command_text.to_string(),
            "PPID" => sys::ppid().to_string(),
            "UID" => sys::user_ids()[0].to_string(),
            "EUID" => sys::user_ids()[1].to_string(),
            "SHELLOPTS" => self.opts.names_on(),
            "BASHOPTS" => self.shopts.names_on(),
            "BASH_VERSION" => BASH_VERSION.to_owned(),
            "BASH" => "/bin/bash".to_owned(),
            "BASH_ARGV0" => self.arg0.clone(),
            "HOSTNAME" => sys::hostname(),
            "HOSTTYPE" => "wasm32".to_owned(),
            "OSTYPE" => "linux-gnu".to_owned(),
            "MACHTYPE" => "wasm32-agentos-linux-gnu".to_owned(),
            "COLUMNS" | "LINES" if self.interactive => {
                let (columns, rows) = self.terminal.and_then(sys::tty_size).unwrap_or((80, 24));
                if name == "LINES" {
                    rows.to_string()
                } else {
                    columns.to_string()
                }
            }
            _ => return None,
        })
    }

    /// The array of a name, made now if it is one of bash's own.
    pub fn special_array(&mut self, name: &str) -> Option<Var> {
        let values: Vec<String> = match name {
            "PIPESTATUS" => self.pipe_status.iter().map(i32::to_string).collect(),
            "FUNCNAME" => {
                let mut names: Vec<String> = self.calls.iter().rev().map(|c| c.name.clone()).collect();
                if names.is_empty() || !self.in_function() {
                    return None;
                }
                if !self.command_string && !self.interactive {
                    names.push("main".to_owned());
                }
                names
            }
            "BASH_SOURCE" => {
                let mut all: Vec<String> = self.calls.iter().rev().map(|c| c.source.to_string()).collect();
                if !self.command_string && !self.from_stdin {
                    all.push(self.arg0.clone());
                }
                all
            }
            "BASH_LINENO" => {
                let mut all: Vec<String> = self.calls.iter().rev().map(|c| c.line.to_string()).collect();
                if !self.command_string && !self.from_stdin {
                    all.push("0".to_owned());
                }
                all
            }
            "DIRSTACK" => {
                let mut all = vec![self.vars.text("PWD").unwrap_or_default().to_owned()];
                all.extend(self.dir_stack.iter().cloned());
                all
            }
            "GROUPS" => sys::groups().iter().map(u32::to_string).collect(),
            "BASH_VERSINFO" => ["5", "2", "37", "1", "release", "wasm32-agentos-linux-gnu"]
                .map(str::to_owned)
                .to_vec(),
            _ => return None,
        };
        let map: BTreeMap<u64, String> = (0..).zip(values).collect();
        Some(Var {
            value: Value::Indexed(map),
            attrs: if name == "BASH_VERSINFO" { attr::READONLY } else { 0 },
        })
    }

    /// Carries out an assignment to one of these; `false` if the name is an ordinary one.
    pub fn set_special(&mut self, name: &str, text: &str) -> bool {
        if self.ordinary.iter().any(|n| n == name) {
            return false;
        }
        match name {
            "RANDOM" => self.random = text.trim().parse::<i64>().unwrap_or(0) as u32 | 1 << 31,
            "SECONDS" => {
                self.seconds_base = text.trim().parse().unwrap_or(0);
                self.started = Some(Instant::now());
            }
            "BASH_ARGV0" => self.arg0 = text.to_owned(),
            "LINENO" | "BASHPID" | "EPOCHSECONDS" | "EPOCHREALTIME" | "SRANDOM" | "BASH_SUBSHELL" | "BASH_COMMAND"
            | "FUNCNAME" | "BASH_SOURCE" | "BASH_LINENO" | "PIPESTATUS" | "GROUPS" | "DIRSTACK" | "_" => {}
            _ => return false,
        }
        true
    }

    fn next_random(&mut self) -> u32 {
        if self.random == 0 {
            self.random = (now().subsec_nanos() ^ sys::pid().rotate_left(16)) | 1 << 31;
        }
        // bash's own generator: minimal standard, folded to 15 bits.
        let mut seed = i64::from(self.random & 0x7fff_ffff);
        if seed == 0 {
            seed = 123_459_876;
        }
        let (high, low) = (seed / 127_773, seed % 127_773);
        let mut next = 16_807 * low - 2_836 * high;
        if next < 0 {
            next += 0x7fff_ffff;
        }
        self.random = next as u32 | 1 << 31;
        let next = next as u32;
        ((next >> 16) ^ (next & 0xffff)) & 0x7fff
    }
}

fn now() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_are_those_of_bash() {
        let mut shell = Shell::new("sh".to_owned());
        shell.set_special("RANDOM", "42");
        assert_eq!(
            [shell.next_random(), shell.next_random(), shell.next_random()],
            [17772, 26794, 1435]
        );
    }
}
