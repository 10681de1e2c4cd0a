//! The names under which this program is called: all of its tools but those that `tiny` has.

use crate::run::TABLES;

/// The names, each once, in the order of the tables.
pub(crate) const NAMES: [&str; COUNT] = {
    let mut names = [""; COUNT];
    let (mut count, mut table) = (0, 0);
    while table < TABLES.len() {
        let mut at = 0;
        while at < TABLES[table].len() {
            if is_ours(table, at) {
                names[count] = TABLES[table][at].0;
                count += 1;
            }
            at += 1;
        }
        table += 1;
    }
    names
};

const COUNT: usize = {
    let (mut count, mut table) = (0, 0);
    while table < TABLES.len() {
        let mut at = 0;
        while at < TABLES[table].len() {
            count += is_ours(table, at) as usize;
            at += 1;
        }
        table += 1;
    }
    count
};

/// Whether a name stands here for the first time and is not one of `tiny`.
const fn is_ours(table: usize, at: usize) -> bool {
    let name = TABLES[table][at].0;
    let mut earlier = 0;
    while earlier < table {
        if has(TABLES[earlier], name) {
            return false;
        }
        earlier += 1;
    }
    !is_tiny(name)
}

const fn is_tiny(name: &str) -> bool {
    let names = agentos_tools_sys::small::NAMES;
    let mut at = 0;
    while at < names.len() {
        if same(names[at].as_bytes(), name.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn has(table: &[(&str, agentos_tools_sys::Applet)], name: &str) -> bool {
    let mut at = 0;
    while at < table.len() {
        if same(table[at].0.as_bytes(), name.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}
