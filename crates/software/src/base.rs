//! The base tree: directories, accounts and configuration that programs expect (lifecycle.md section 1).

/// Something to place in the image, owner and mode included.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Absolute path.
    pub path: &'static str,
    /// Permission bits.
    pub mode: u32,
    /// Whether the default user owns it (else root).
    pub user: bool,
    /// What it is.
    pub content: Content,
}

/// Kind and content of an [`Entry`].
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// A directory.
    Directory,
    /// A file with this text.
    File(&'static str),
    /// A symbolic link to this target.
    Symlink(&'static str),
    /// A file with the web's root certificates.
    Certificates,
}

const fn dir(path: &'static str, mode: u32) -> Entry {
    Entry {
        path,
        mode,
        user: false,
        content: Content::Directory,
    }
}

const fn file(path: &'static str, text: &'static str) -> Entry {
    Entry {
        path,
        mode: 0o644,
        user: false,
        content: Content::File(text),
    }
}

const fn link(path: &'static str, target: &'static str) -> Entry {
    Entry {
        path,
        mode: 0o777,
        user: false,
        content: Content::Symlink(target),
    }
}

/// Every entry, parents before children.
pub const TREE: &[Entry] = &[
    dir("/usr", 0o755),
    dir("/usr/bin", 0o755),
    dir("/usr/lib", 0o755),
    dir("/usr/local", 0o755),
    dir("/usr/local/bin", 0o755),
    dir("/usr/share", 0o755),
    link("/bin", "usr/bin"),
    link("/sbin", "usr/bin"),
    link("/lib", "usr/lib"),
    link("/usr/sbin", "bin"),
    dir("/dev", 0o755),
    dir("/proc", 0o555),
    dir("/sys", 0o555),
    dir("/run", 0o755),
    dir("/mnt", 0o755),
    dir("/opt", 0o755),
    dir("/srv", 0o755),
    dir("/tmp", 0o1777),
    dir("/var", 0o755),
    dir("/var/tmp", 0o1777),
    dir("/var/log", 0o755),
    dir("/var/cache", 0o755),
    dir("/var/lib", 0o755),
    link("/var/run", "/run"),
    dir("/root", 0o700),
    dir("/home", 0o755),
    Entry {
        path: "/home/user",
        mode: 0o755,
        user: true,
        content: Content::Directory,
    },
    dir("/etc", 0o755),
    dir("/etc/agentos", 0o755),
    dir("/etc/ssl", 0o755),
    dir("/etc/ssl/certs", 0o755),
    Entry {
        path: crate::certs::CERTIFICATES,
        mode: 0o644,
        user: false,
        content: Content::Certificates,
    },
    link("/etc/ssl/cert.pem", "certs/ca-certificates.crt"),
    file("/etc/passwd", PASSWD),
    file("/etc/group", GROUP),
    file(
        "/etc/hosts",
        "127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\tagent-os\n",
    ),
    file("/etc/hostname", "agent-os\n"),
    file("/etc/resolv.conf", "nameserver 127.0.0.53\n"),
    file("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    file("/etc/shells", "/bin/sh\n/bin/bash\n"),
    file("/etc/profile", "export PATH=/usr/local/bin:/usr/bin:/bin\n"),
    file("/etc/os-release", OS_RELEASE),
    file("/etc/agentos/instructions.md", INSTRUCTIONS),
    link("/etc/mtab", "/proc/self/mounts"),
];

/// What of [`TREE`] a VM has whatever images lie below its root: mount points and the user's home, who is who, how names are
/// resolved, whom to trust. Parents before children.
pub const OWN: &[&str] = &[
    "/dev",
    "/proc",
    "/sys",
    "/run",
    "/tmp",
    "/root",
    "/home",
    "/home/user",
    "/etc",
    "/etc/agentos",
    "/etc/ssl",
    "/etc/ssl/certs",
    crate::certs::CERTIFICATES,
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/agentos/instructions.md",
    "/etc/mtab",
];

/// Where a VM with images has the commands of its packages besides the places where an image may have others.
pub const TOOLS: &str = "/opt/agentos/bin";

/// The directories that lead to [`TOOLS`].
pub(crate) const TOOLS_DIRS: &[Entry] = &[dir("/opt", 0o755), dir("/opt/agentos", 0o755), dir(TOOLS, 0o755)];

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
user:x:1000:1000:user:/home/user:/bin/sh
";

const GROUP: &str = "\
root:x:0:
daemon:x:1:
tty:x:5:
users:x:100:
nogroup:x:65534:
user:x:1000:
";

const OS_RELEASE: &str = concat!(
    "NAME=\"agentOS\"\nID=agentos\nPRETTY_NAME=\"agentOS ",
    env!("CARGO_PKG_VERSION"),
    "\"\nVERSION_ID=\"",
    env!("CARGO_PKG_VERSION"),
    "\"\n"
);

const INSTRUCTIONS: &str = "\
# Your computer

You work in an agentOS virtual machine. Your home and working directory is `/home/user`.

- Commands: `help` lists them. The shell is bash-compatible; `/bin/sh` and `/bin/bash` are the same program.
- Files under `/home/user` are yours. `/tmp` is scratch space. What was mounted for you is listed in `/proc/mounts`.
- Limits apply to processes, memory, files and time. An error such as `No space left on device` or `Resource
  temporarily unavailable` means that one was reached.
- Nothing outside this machine can be reached unless it was allowed for you.
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn what_a_vm_has_of_its_own_is_in_the_tree() {
        for path in OWN {
            assert!(TREE.iter().any(|entry| entry.path == *path), "{path}");
        }
    }

    #[test]
    fn parents_come_before_children_and_no_path_twice() {
        let mut seen = HashSet::from([""]);
        for entry in TREE {
            let parent = entry.path.rsplit_once('/').map_or("", |(parent, _)| parent);
            assert!(seen.contains(parent), "{} has no parent yet", entry.path);
            assert!(seen.insert(entry.path), "{} stands twice", entry.path);
        }
    }
}
