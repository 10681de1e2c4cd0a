//! Who is who: `id`, `groups`, `whoami`, `logname`, `getent`.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, ToSocketAddrs};

use agentos_guest::id;
use agentos_tools_base::io::{complain, network_reason, shown};

use crate::system::flags;
use crate::users::{self, User};
use crate::{usage, write};

/// The caller's ids, or those of a user.
struct Ids {
    uid: u32,
    gid: u32,
    euid: u32,
    egid: u32,
    groups: Vec<u32>,
}

#[cfg(target_family = "wasm")]
fn own() -> Ids {
    let ids = id::credentials();
    let mut groups = vec![ids.egid];
    groups.extend(
        id::groups()
            .unwrap_or_default()
            .into_iter()
            .filter(|gid| *gid != ids.egid),
    );
    Ids {
        uid: ids.ruid,
        gid: ids.rgid,
        euid: ids.euid,
        egid: ids.egid,
        groups,
    }
}

/// The same on a host, where tests run: from `/proc`.
#[cfg(not(target_family = "wasm"))]
fn own() -> Ids {
    let _ = id::credentials();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let numbers = |key: &str| -> Vec<u32> {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_default();
        line.split_whitespace().filter_map(|text| text.parse().ok()).collect()
    };
    let (uids, gids) = (numbers("Uid:"), numbers("Gid:"));
    let pick = |list: &[u32], at: usize| list.get(at).copied().unwrap_or(0);
    let egid = pick(&gids, 1);
    let mut groups = vec![egid];
    groups.extend(numbers("Groups:").into_iter().filter(|gid| *gid != egid));
    Ids {
        uid: pick(&uids, 0),
        gid: pick(&gids, 0),
        euid: pick(&uids, 1),
        egid,
        groups,
    }
}

fn of_user(user: &User) -> Ids {
    let mut groups = vec![user.gid];
    let member = users::groups()
        .iter()
        .filter(|group| group.members.contains(&user.name) && group.gid != user.gid);
    groups.extend(member.map(|group| group.gid));
    Ids {
        uid: user.uid,
        gid: user.gid,
        euid: user.uid,
        egid: user.gid,
        groups,
    }
}

fn user_name(uid: u32) -> Option<&'static str> {
    users::by_uid(uid).map(|user| user.name.as_str())
}

fn group_name(gid: u32) -> Option<&'static str> {
    users::group_by_gid(gid).map(|group| group.name.as_str())
}

fn labelled(id: u32, name: Option<&str>) -> String {
    name.map_or_else(|| id.to_string(), |name| format!("{id}({name})"))
}

fn find(text: &str) -> Option<&'static User> {
    users::by_name(text).or_else(|| users::by_uid(text.parse().ok()?))
}

pub(crate) fn id(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: id [OPTION]... [USER]...
Print user and group information for each USER, or for the current process.

  -g, --group    print only the effective group ID
  -G, --groups   print all group IDs
  -n, --name     print a name instead of a number, for -ugG
  -r, --real     print the real ID instead of the effective ID, with -ugG
  -u, --user     print only the effective user ID
  -z, --zero     delimit entries with NUL characters, not whitespace
";
    const SPECS: &[&str] = &[
        "a",
        "Z,context",
        "g,group",
        "G,groups",
        "n,name",
        "r,real",
        "u,user",
        "z,zero",
        "help",
        "version",
    ];
    let (flags, names) = match flags("id", args, SPECS, HELP) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let has = |flag: &str| flags.contains(&flag);
    let choices = ["user", "group", "groups"].iter().filter(|flag| has(flag)).count();
    if choices > 1 {
        complain("id", "cannot print \"only\" of more than one choice");
        return 1;
    }
    if has("context") {
        complain("id", "--context (-Z) works only on an SELinux-enabled kernel");
        return 1;
    }
    if choices == 0 && (has("name") || has("real")) {
        complain("id", "printing only names or real IDs requires -u, -g, or -G");
        return 1;
    }
    if choices == 0 && has("zero") {
        complain("id", "option --zero not permitted in default format");
        return 1;
    }
    let mut out = String::new();
    let mut status = 0;
    let many = names.len() > 1;
    if names.is_empty() {
        status |= append(&own(), &flags, many, true, &mut out);
    }
    for name in &names {
        match find(&shown(name)) {
            Some(user) => status |= append(&of_user(user), &flags, many, false, &mut out),
            None => {
                complain("id", format_args!("'{}': no such user", shown(name)));
                status = 1;
            }
        }
    }
    write::all("id", out.as_bytes()).max(status)
}

fn append(ids: &Ids, flags: &[&str], many: bool, process: bool, out: &mut String) -> i32 {
    let has = |flag: &str| flags.contains(&flag);
    let end = if has("zero") { '\0' } else { '\n' };
    let mut status = 0;
    let mut text = |id: u32, name: Option<&str>, what: &str| {
        if !has("name") {
            return id.to_string();
        }
        if name.is_none() {
            complain("id", format_args!("cannot find name for {what} ID {id}"));
            status = 1;
        }
        name.map_or_else(|| id.to_string(), str::to_owned)
    };
    if has("user") {
        let uid = if has("real") { ids.uid } else { ids.euid };
        out.push_str(&text(uid, user_name(uid), "user"));
    } else if has("group") {
        let gid = if has("real") { ids.gid } else { ids.egid };
        out.push_str(&text(gid, group_name(gid), "group"));
    } else if has("groups") {
        let names: Vec<String> = ids
            .groups
            .iter()
            .map(|gid| text(*gid, group_name(*gid), "group"))
            .collect();
        out.push_str(&names.join(if has("zero") { "\0" } else { " " }));
        if has("zero") && many {
            out.push('\0');
        }
    } else {
        out.push_str(&format!(
            "uid={} gid={}",
            labelled(ids.uid, user_name(ids.uid)),
            labelled(ids.gid, group_name(ids.gid))
        ));
        if process && ids.euid != ids.uid {
            out.push_str(&format!(" euid={}", labelled(ids.euid, user_name(ids.euid))));
        }
        if process && ids.egid != ids.gid {
            out.push_str(&format!(" egid={}", labelled(ids.egid, group_name(ids.egid))));
        }
        let groups: Vec<String> = ids.groups.iter().map(|gid| labelled(*gid, group_name(*gid))).collect();
        out.push_str(&format!(" groups={}", groups.join(",")));
    }
    out.push(end);
    status
}

pub(crate) fn groups(args: Vec<OsString>) -> i32 {
    const HELP: &str =
        "Usage: groups [USERNAME]...\nPrint group memberships for each USERNAME or the current process.\n";
    let (_, names) = match flags("groups", args, &["help", "version"], HELP) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let list = |ids: &Ids| -> String {
        let names: Vec<String> = ids
            .groups
            .iter()
            .map(|gid| group_name(*gid).map_or_else(|| gid.to_string(), str::to_owned))
            .collect();
        names.join(" ")
    };
    let mut out = String::new();
    let mut status = 0;
    if names.is_empty() {
        out.push_str(&format!("{}\n", list(&own())));
    }
    for name in &names {
        match find(&shown(name)) {
            Some(user) => out.push_str(&format!("{} : {}\n", shown(name), list(&of_user(user)))),
            None => {
                complain("groups", format_args!("'{}': no such user", shown(name)));
                status = 1;
            }
        }
    }
    write::all("groups", out.as_bytes()).max(status)
}

pub(crate) fn whoami(args: Vec<OsString>) -> i32 {
    let help = "Usage: whoami\nPrint the user name associated with the current effective user ID.\n";
    let (_, names) = match flags("whoami", args, &["help", "version"], help) {
        Ok(found) => found,
        Err(status) => return status,
    };
    if let Some(name) = names.first() {
        return usage("whoami", format_args!("extra operand '{}'", shown(name)), 1);
    }
    let uid = own().euid;
    match user_name(uid) {
        Some(name) => write::all("whoami", format!("{name}\n").as_bytes()),
        None => {
            complain("whoami", format_args!("cannot find name for user ID {uid}"));
            1
        }
    }
}

pub(crate) fn logname(args: Vec<OsString>) -> i32 {
    let help = "Usage: logname\nPrint the user's login name.\n";
    let (_, names) = match flags("logname", args, &["help", "version"], help) {
        Ok(found) => found,
        Err(status) => return status,
    };
    if let Some(name) = names.first() {
        return usage("logname", format_args!("extra operand '{}'", shown(name)), 1);
    }
    match user_name(own().uid) {
        Some(name) => write::all("logname", format!("{name}\n").as_bytes()),
        None => {
            complain("logname", "no login name");
            1
        }
    }
}

pub(crate) fn getent(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: getent DATABASE [KEY]...
Get entries from passwd, group, hosts, ahosts, ahostsv4, ahostsv6, services, protocols.
";
    let (_, names) = match flags("getent", args, &["i,no-idn", "s", "help", "V,version"], HELP) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let Some((database, keys)) = names.split_first() else {
        return usage("getent", "wrong number of arguments", 1);
    };
    let keys: Vec<String> = keys.iter().map(|key| shown(key)).collect();
    let found = match shown(database).as_str() {
        "passwd" => lines("/etc/passwd", &keys, |fields, key| {
            fields[0] == key || fields.get(2) == Some(&key)
        }),
        "group" => lines("/etc/group", &keys, |fields, key| {
            fields[0] == key || fields.get(2) == Some(&key)
        }),
        "hosts" => hosts(&keys),
        "ahosts" => address_infos(&keys, |_| true),
        "ahostsv4" => address_infos(&keys, IpAddr::is_ipv4),
        "ahostsv6" => address_infos(&keys, IpAddr::is_ipv6),
        "services" => words("/etc/services", &keys),
        "protocols" => words("/etc/protocols", &keys),
        other => return usage("getent", format_args!("Unknown database: {other}"), 1),
    };
    match found {
        Some(text) => write::all("getent", text.as_bytes()),
        None => 2,
    }
}

/// Lines of a file with fields between colons; `None` when a key was not found.
fn lines(path: &str, keys: &[String], is: fn(&[&str], &str) -> bool) -> Option<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    if keys.is_empty() {
        return Some(text);
    }
    let mut out = String::new();
    for key in keys {
        let line = text
            .lines()
            .find(|line| is(&line.split(':').collect::<Vec<_>>(), key))?;
        out.push_str(&format!("{line}\n"));
    }
    Some(out)
}

fn words(path: &str, keys: &[String]) -> Option<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .filter(|line| !line.trim().is_empty());
    let chosen: Vec<&str> = lines
        .filter(|line| {
            let mut fields = line.split_whitespace();
            keys.is_empty()
                || fields.any(|word| {
                    keys.iter()
                        .any(|key| word == key || word.split('/').next() == Some(key))
                })
        })
        .collect();
    (keys.is_empty() || !chosen.is_empty()).then(|| chosen.iter().map(|line| format!("{line}\n")).collect())
}

/// Entries of `/etc/hosts`, or what a lookup finds, as `gethostbyname2` would: the IPv6 addresses, else the others.
fn hosts(keys: &[String]) -> Option<String> {
    let text = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let entries: Vec<Vec<&str>> = text
        .lines()
        .map(|line| {
            let line = line.split('#').next().unwrap_or_default();
            line.split_whitespace().collect::<Vec<_>>()
        })
        .filter(|fields| fields.len() > 1)
        .collect();
    let show = |fields: &[&str]| format!("{:<15} {}\n", fields[0], fields[1..].join(" "));
    if keys.is_empty() {
        return Some(entries.iter().map(|fields| show(fields)).collect());
    }
    let mut out = String::new();
    for key in keys {
        match entries.iter().find(|fields| fields.iter().any(|word| word == key)) {
            Some(fields) => out.push_str(&show(fields)),
            None => {
                let found = addresses(key)?;
                let six = found.iter().any(IpAddr::is_ipv6);
                for address in found.iter().filter(|address| address.is_ipv6() == six) {
                    out.push_str(&format!("{:<15} {key}\n", address.to_string()));
                }
            }
        }
    }
    Some(out)
}

/// Every address with each kind of socket, as `getaddrinfo` would; the name stands on the first line.
fn address_infos(keys: &[String], takes: fn(&IpAddr) -> bool) -> Option<String> {
    let mut out = String::new();
    for key in keys {
        let found: Vec<IpAddr> = addresses(key)?.into_iter().filter(takes).collect();
        if found.is_empty() {
            return None;
        }
        let mut name = key.as_str();
        for address in found {
            for kind in ["STREAM", "DGRAM", "RAW"] {
                out.push_str(&format!("{:<15} {kind:<6} {name}\n", address.to_string()));
                name = "";
            }
        }
    }
    Some(out)
}

/// Addresses of a name; a refusal is told, since it is not the same as an unknown name.
fn addresses(name: &str) -> Option<Vec<IpAddr>> {
    match (name, 0).to_socket_addrs() {
        Ok(found) => Some(found.map(|address| address.ip()).collect()),
        Err(error) => {
            if error.kind() == ErrorKind::PermissionDenied {
                complain("getent", format_args!("{name}: {}", network_reason(&error)));
            }
            None
        }
    }
}
