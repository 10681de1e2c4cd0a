//! Names of users and groups, from `/etc/passwd` and `/etc/group`.

use std::collections::HashMap;
use std::sync::OnceLock;

/// A line of `/etc/passwd`.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A line of `/etc/group`.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) gid: u32,
    pub(crate) members: Vec<String>,
}

/// All users, in the order of the file; lines that make no sense are left out.
pub(crate) fn users() -> &'static [User] {
    static USERS: OnceLock<Vec<User>> = OnceLock::new();
    USERS.get_or_init(|| read("/etc/passwd", user))
}

/// All groups, in the order of the file; lines that make no sense are left out.
pub(crate) fn groups() -> &'static [Group] {
    static GROUPS: OnceLock<Vec<Group>> = OnceLock::new();
    GROUPS.get_or_init(|| read("/etc/group", group))
}

fn read<T>(path: &str, parse: fn(&str) -> Option<T>) -> Vec<T> {
    let text = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().filter_map(parse).collect()
}

fn user(line: &str) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, _, _] = fields.as_slice() else {
        return None;
    };
    Some(User {
        name: (*name).to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
    })
}

fn group(line: &str) -> Option<Group> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, gid, members] = fields.as_slice() else {
        return None;
    };
    let members = members
        .split(',')
        .filter(|m| !m.is_empty())
        .map(str::to_owned)
        .collect();
    Some(Group {
        name: (*name).to_owned(),
        gid: gid.parse().ok()?,
        members,
    })
}

/// The user of a number.
pub(crate) fn by_uid(uid: u32) -> Option<&'static User> {
    users().iter().find(|user| user.uid == uid)
}

/// The user of a name.
pub(crate) fn by_name(name: &str) -> Option<&'static User> {
    users().iter().find(|user| user.name == name)
}

/// The group of a number.
pub(crate) fn group_by_gid(gid: u32) -> Option<&'static Group> {
    groups().iter().find(|group| group.gid == gid)
}

/// The group of a name.
pub(crate) fn group_by_name(name: &str) -> Option<&'static Group> {
    groups().iter().find(|group| group.name == name)
}

/// Number of a user given by name or number.
pub(crate) fn uid_of(text: &str) -> Option<u32> {
    by_name(text).map(|user| user.uid).or_else(|| number(text))
}

/// Number of a group given by name or number.
pub(crate) fn gid_of(text: &str) -> Option<u32> {
    group_by_name(text).map(|group| group.gid).or_else(|| number(text))
}

fn number(text: &str) -> Option<u32> {
    text.strip_prefix('+')
        .unwrap_or(text)
        .parse()
        .ok()
        .filter(|id| *id != u32::MAX)
}

/// Names by number, kept for listings that ask for the same few again and again.
#[derive(Default)]
pub(crate) struct Names {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
    numeric: bool,
}

impl Names {
    /// Nothing known yet. `numeric` gives numbers instead of names.
    pub(crate) fn new(numeric: bool) -> Self {
        Self {
            numeric,
            ..Self::default()
        }
    }

    /// Name of a user, or its number.
    pub(crate) fn user(&mut self, uid: u32) -> &str {
        let numeric = self.numeric;
        self.users.entry(uid).or_insert_with(|| {
            by_uid(uid)
                .filter(|_| !numeric)
                .map_or_else(|| uid.to_string(), |user| user.name.clone())
        })
    }

    /// Name of a group, or its number.
    pub(crate) fn group(&mut self, gid: u32) -> &str {
        let numeric = self.numeric;
        self.groups.entry(gid).or_insert_with(|| {
            group_by_gid(gid)
                .filter(|_| !numeric)
                .map_or_else(|| gid.to_string(), |group| group.name.clone())
        })
    }
}
