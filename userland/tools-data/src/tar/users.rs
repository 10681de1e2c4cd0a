//! Names of users and groups.

use std::collections::HashMap;

/// What `/etc/passwd` and `/etc/group` say.
pub struct Users {
    /// User names by number.
    pub users: HashMap<u64, String>,
    /// Group names by number.
    pub groups: HashMap<u64, String>,
}

impl Users {
    /// Reads both files; what cannot be read has no names.
    pub fn load() -> Self {
        Self {
            users: read("/etc/passwd"),
            groups: read("/etc/group"),
        }
    }
}

fn read(path: &str) -> HashMap<u64, String> {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut out = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let (Some(name), Some(number)) = (fields.next(), fields.nth(1)) else {
            continue;
        };
        if let Ok(number) = number.parse() {
            out.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    out
}
