//! The host's own programs, as an image: what every user of the host can read of what a distribution installs.
//!
//! The list is one of what is shown. There are no users' directories in it, no configuration but what programs need to find
//! their libraries, certificates and time zone, no keys, no runtime directories, no sockets; and of what is in it, only what
//! the host lets everybody read ([`Rules::public`](super::Rules::public)), also when the VM belongs to the superuser.

use super::nodes::{Body, Nodes, ROOT, Top};
use super::{LiveFs, Rules, open};
use agentos_kernel::Errno;
use agentos_kernel::id::Ino;
use rustix::fs::{self, AtFlags, OFlags};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Directories of the root, with all that is in them. Where the host has a link, the image has the same link.
const TREES: &[&str] = &["bin", "lib", "lib32", "lib64", "libx32", "sbin", "usr"];

/// Names in `/etc`, with all that is in them.
const ETC: &[&str] = &[
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "debian_version",
    "ethertypes",
    "inputrc",
    "java-*",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "lsb-release",
    "magic",
    "magic.mime",
    "mime.types",
    "os-release",
    "perl",
    "protocols",
    "python2*",
    "python3*",
    "rpc",
    "services",
    "terminfo",
    "timezone",
];

/// Names in `/etc/ssl`: not `private`.
const SSL: &[&str] = &["cert.pem", "certs", "openssl.cnf"];

/// Opens the view, below `root`, which is the host's root directory but in tests.
pub(crate) fn view(root: &OwnedFd) -> Result<Arc<LiveFs>, Errno> {
    let mut nodes = Nodes::new(Top::default());
    let mut made = BTreeMap::new();
    for name in TREES {
        if let Some(body) = tree(root, name)? {
            made.insert(name.as_bytes().into(), nodes.add(ROOT, name.as_bytes(), body));
        }
    }
    if let Some(dir) = directory(root, "etc")? {
        made.insert(b"etc"[..].into(), etc(&mut nodes, dir)?);
    }
    nodes.set_top(ROOT, Top { made, ..Top::default() });
    Ok(LiveFs::new(Rules { public: true }, nodes))
}

fn etc(nodes: &mut Nodes, dir: OwnedFd) -> Result<Ino, Errno> {
    let ssl = directory(&dir, "ssl")?;
    let etc = nodes.add(ROOT, b"etc", Body::Top(Arc::new(Top::default())));
    let mut made = BTreeMap::new();
    if let Some(ssl) = ssl {
        let top = Top {
            only: Some(SSL),
            ..Top::real(ssl)
        };
        made.insert(b"ssl"[..].into(), nodes.add(etc, b"ssl", Body::Top(Arc::new(top))));
    }
    let top = Top {
        only: Some(ETC),
        made,
        ..Top::real(dir)
    };
    nodes.set_top(etc, top);
    Ok(etc)
}

/// A directory of the root, or the link that the root has in its place.
fn tree(root: &OwnedFd, name: &str) -> Result<Option<Body>, Errno> {
    match fs::readlinkat(root, name, Vec::new()) {
        Ok(target) => Ok(Some(Body::Link(target.into_bytes().into()))),
        Err(_) => Ok(directory(root, name)?.map(|dir| Body::Top(Arc::new(Top::real(dir))))),
    }
}

/// A directory; none where there is no directory of that name. It may be a mount point: it is where the view begins.
fn directory(at: &OwnedFd, name: &str) -> Result<Option<OwnedFd>, Errno> {
    let flags = open::DIR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match fs::openat(at, name, flags, fs::Mode::empty()) {
        Ok(dir) => {
            let mode = fs::statat(&dir, "", AtFlags::EMPTY_PATH)?.st_mode;
            Ok((mode & 0o005 == 0o005).then_some(dir))
        }
        Err(
            rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP | rustix::io::Errno::ACCESS,
        ) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}
