//! Where groups of VMs can be made, and if nowhere, why.

use super::Cgroup;
use std::io;
use std::path::{Component, Path, PathBuf};

/// What a process that was in its node goes into.
pub(super) const LEAF: &str = "agentos-host";

/// What has to be divided, and what is divided where it can be.
pub(super) const NEEDED: [&str; 2] = ["memory", "pids"];
pub(super) const WANTED: &str = "cpu";

/// What the host says of this process.
pub(super) struct Host {
    /// `/proc/self/cgroup`.
    pub(super) cgroups: String,
    /// `/proc/self/mountinfo`.
    pub(super) mounts: String,
    pub(super) pid: u32,
    /// Whether a group was given to whoever is in it: systemd's mark, or it belongs to a user that is not root.
    pub(super) is_delegated: fn(&Path) -> bool,
    /// Whether a directory may be written to.
    pub(super) may_write: fn(&Path) -> bool,
}

/// A group whose resources can be divided.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) path: PathBuf,
    /// This process is in it and has to go into [`LEAF`].
    pub(super) inside: bool,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Why {
    #[error("this process is in no cgroup v2: the host has none, or mounts version 1")]
    NoMember,
    #[error("no cgroup2 file system is mounted that shows the group {0}")]
    NotMounted(String),
    #[error("{} is no directory of a cgroup2 file system", .0.display())]
    NoGroup(PathBuf),
    #[error("the controllers {missing} are not available in {}: it has {has}", path.display())]
    Controllers {
        path: PathBuf,
        missing: String,
        has: String,
    },
    #[error("{} may not be written to", .0.display())]
    NotWritable(PathBuf),
    #[error("{} was not delegated to this process", .0.display())]
    NotDelegated(PathBuf),
    #[error("{} has other processes in it ({others}), and a group with processes cannot be divided", path.display())]
    Busy { path: PathBuf, others: usize },
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

impl Why {
    /// Of something that was done at `path`.
    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            error,
        }
    }
}

/// Finds the node for groups that were wanted; none where none are.
pub(super) fn node(wanted: &Cgroup, host: &Host) -> Result<Option<Node>, Why> {
    match wanted {
        Cgroup::Off => Ok(None),
        Cgroup::Below(path) => {
            // Whoever names it has it.
            examine(path, host, true).map(Some)
        }
        Cgroup::Auto => own_node(host, false).map(Some),
        Cgroup::Own => own_node(host, true).map(Some),
    }
}

/// The group that this process is in, or the one above, if that was delegated: a service may be started in a child of its group.
fn own_node(host: &Host, trusted: bool) -> Result<Node, Why> {
    let own = own_group(host)?;
    let parent = |trusted| own.parent().map(|parent| examine(parent, host, trusted));
    if own.file_name().is_some_and(|name| name == LEAF) {
        // Of this process, or of whoever has started it: it was their node.
        return parent(trusted).unwrap_or_else(|| Err(Why::NotDelegated(own.clone())));
    }
    let found = examine(&own, host, trusted);
    match found {
        Err(why) => match parent(false) {
            Some(Ok(node)) => Ok(node),
            _ => Err(why),
        },
        found => found,
    }
}

/// The directory of this process's group.
fn own_group(host: &Host) -> Result<PathBuf, Why> {
    let own = host.cgroups.lines().find_map(|line| line.strip_prefix("0::"));
    let own = own.ok_or(Why::NoMember)?;
    let group = Path::new(own);
    // A group outside of this process's namespace begins with `..`.
    let is_plain = group
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let shown = host.mounts.lines().filter_map(mount).find_map(|(root, point)| {
        let below = group.strip_prefix(root).ok()?;
        Some(match below.as_os_str().is_empty() {
            true => point,
            false => point.join(below),
        })
    });
    shown
        .filter(|_| is_plain)
        .ok_or_else(|| Why::NotMounted(own.to_owned()))
}

/// Root and place of a mount, if it is of cgroup2.
fn mount(line: &str) -> Option<(PathBuf, PathBuf)> {
    let (before, after) = line.split_once(" - ")?;
    if after.split(' ').next() != Some("cgroup2") {
        return None;
    }
    let mut fields = before.split(' ').skip(3);
    Some((unescaped(fields.next()?), unescaped(fields.next()?)))
}

/// A path as the host writes it in a table: spaces and what else would break that in octal.
fn unescaped(field: &str) -> PathBuf {
    let mut path = field.to_owned();
    for (escape, plain) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        path = path.replace(escape, plain);
    }
    path.into()
}

/// Whether a group can be divided.
fn examine(path: &Path, host: &Host, trusted: bool) -> Result<Node, Why> {
    let read = |name: &str| {
        let file = path.join(name);
        std::fs::read_to_string(&file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Why::NoGroup(path.to_owned()),
            _ => Why::io(&file, error),
        })
    };
    let has = read("cgroup.controllers")?;
    let missing = missing_in(&has);
    if !missing.is_empty() {
        return Err(Why::Controllers {
            path: path.to_owned(),
            missing: missing.join(", "),
            has: if has.trim().is_empty() {
                "none".into()
            } else {
                has.trim().to_owned()
            },
        });
    }
    if !trusted && !(host.is_delegated)(path) {
        return Err(Why::NotDelegated(path.to_owned()));
    }
    for place in [
        path.to_owned(),
        path.join("cgroup.procs"),
        path.join("cgroup.subtree_control"),
    ] {
        if !(host.may_write)(&place) {
            return Err(Why::NotWritable(place));
        }
    }
    // The host's first group may have processes and be divided; it alone has no type.
    let is_first = !path.join("cgroup.type").exists();
    let divides = missing_in(&read("cgroup.subtree_control")?).is_empty();
    if is_first || divides {
        return Ok(Node {
            path: path.to_owned(),
            inside: false,
        });
    }
    let inside = read("cgroup.procs")?;
    let own = host.pid.to_string();
    let others = inside.lines().filter(|pid| *pid != own).count();
    match others {
        0 => Ok(Node {
            path: path.to_owned(),
            inside: !inside.trim().is_empty(),
        }),
        others => Err(Why::Busy {
            path: path.to_owned(),
            others,
        }),
    }
}

/// What has to be divided and is not in a list of controllers.
pub(super) fn missing_in(list: &str) -> Vec<&'static str> {
    let has = |name: &&str| list.split_ascii_whitespace().any(|other| other == *name);
    NEEDED.into_iter().filter(|name| !has(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// A tree that looks like a cgroup2 file system.
    struct Tree(TempDir);

    impl Tree {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn group(&self, name: &str, controllers: &str, divided: &str, processes: &str) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            for (file, text) in [
                ("cgroup.controllers", controllers),
                ("cgroup.subtree_control", divided),
                ("cgroup.procs", processes),
                ("cgroup.type", "domain\n"),
            ] {
                std::fs::write(path.join(file), text).unwrap();
            }
            path
        }

        fn host(&self, own: &str) -> Host {
            Host {
                cgroups: format!("4:memory:/elsewhere\n0::{own}\n"),
                mounts: format!(
                    "24 1 0:22 / /proc rw - proc proc rw\n31 24 0:27 / {} rw,nosuid shared:9 - cgroup2 cgroup rw\n",
                    self.0.path().display()
                ),
                pid: 42,
                is_delegated: |_| true,
                may_write: |_| true,
            }
        }
    }

    const ALL: &str = "cpuset cpu io memory pids\n";

    fn said(found: Result<Option<Node>, Why>) -> String {
        found.unwrap_err().to_string()
    }

    #[test]
    fn a_delegated_group_is_used_and_who_is_alone_in_it_moves() {
        let tree = Tree::new();
        let path = tree.group("service", ALL, "", "42\n");
        let node_of = |inside| {
            Some(Node {
                path: path.clone(),
                inside,
            })
        };
        assert_eq!(node(&Cgroup::Auto, &tree.host("/service")).unwrap(), node_of(true));
        assert_eq!(node(&Cgroup::Own, &tree.host("/service")).unwrap(), node_of(true));
        assert_eq!(node(&Cgroup::Off, &tree.host("/service")).unwrap(), None);
        // From its leaf, the same node.
        tree.group("service", ALL, "memory pids cpu", "");
        tree.group("service/agentos-host", ALL, "", "42\n43\n");
        assert_eq!(
            node(&Cgroup::Auto, &tree.host("/service/agentos-host")).unwrap(),
            node_of(false)
        );
        // A service that systemd starts in a child of its group.
        tree.group("service", ALL, "", "");
        tree.group("service/main", "", "", "42\n");
        assert_eq!(node(&Cgroup::Own, &tree.host("/service/main")).unwrap(), node_of(false));
        // Named by its path, from anywhere.
        assert_eq!(
            node(&Cgroup::Below(path.clone()), &tree.host("/")).unwrap(),
            node_of(false)
        );
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_reason() {
        let tree = Tree::new();
        let path = tree.group("service", ALL, "", "42\n7\n8\n");
        let below = |name: &str| Cgroup::Below(tree.0.path().join(name));
        assert_eq!(
            said(node(&Cgroup::Own, &tree.host("/service"))),
            format!(
                "{} has other processes in it (2), and a group with processes cannot be divided",
                path.display()
            )
        );
        let none = Host {
            cgroups: "4:memory:/x\n".into(),
            ..tree.host("/")
        };
        assert!(said(node(&Cgroup::Auto, &none)).contains("no cgroup v2"));
        let unmounted = Host {
            mounts: "24 1 0:22 / /sys/fs/cgroup rw - cgroup cgroup rw,memory\n".into(),
            ..tree.host("/service")
        };
        assert!(said(node(&Cgroup::Own, &unmounted)).contains("shows the group /service"));
        assert!(said(node(&Cgroup::Own, &tree.host("/../outside"))).contains("/../outside"));
        let poor = tree.group("poor", "cpu\n", "", "42\n");
        assert_eq!(
            said(node(&Cgroup::Own, &tree.host("/poor"))),
            format!(
                "the controllers memory, pids are not available in {}: it has cpu",
                poor.display()
            )
        );
        assert!(said(node(&below("nowhere"), &tree.host("/"))).contains("no directory of a cgroup2"));
        let readonly = Host {
            may_write: |path| !path.ends_with("cgroup.procs"),
            ..tree.host("/")
        };
        assert!(said(node(&below("service"), &readonly)).contains("service/cgroup.procs may not be written to"));
    }

    #[test]
    fn nothing_that_was_not_delegated_is_taken_unasked() {
        let tree = Tree::new();
        let path = tree.group("service", ALL, "", "42\n");
        let host = || Host {
            is_delegated: |_| false,
            ..tree.host("/service")
        };
        assert!(said(node(&Cgroup::Auto, &host())).contains("was not delegated"));
        // Who says so means it, but for the group above.
        assert!(node(&Cgroup::Own, &host()).unwrap().is_some());
        tree.group("", ALL, "", "");
        tree.group("service", ALL, "", "42\n7\n");
        assert!(matches!(node(&Cgroup::Own, &host()), Err(Why::Busy { path: at, .. }) if at == path));
    }

    #[test]
    fn mounts_are_read_as_the_host_writes_them() {
        let line = r"31 24 0:27 /a\040b /mnt/c\134d rw,nosuid shared:9 master:2 - cgroup2 cgroup rw";
        assert_eq!(mount(line), Some(("/a b".into(), "/mnt/c\\d".into())));
        assert_eq!(mount("31 24 0:27 / /x rw - cgroup cgroup rw"), None);
        assert_eq!(mount("31 24 - cgroup2"), None);
        let tree = Tree::new();
        let path = tree.group("inner", ALL, "", "");
        // A mount that shows a part of the tree.
        let host = Host {
            mounts: format!("31 24 0:27 /outer {} rw - cgroup2 cgroup rw\n", tree.0.path().display()),
            ..tree.host("/outer/inner")
        };
        assert_eq!(own_group(&host).unwrap(), path);
        let other = tree.host("/outer");
        assert!(
            own_group(&Host {
                cgroups: "0::/other\n".into(),
                ..host
            })
            .is_err()
        );
        assert_eq!(own_group(&other).unwrap(), tree.0.path().join("outer"));
    }
}
