//! The targets.

mod abi;
mod address;
mod agent;
mod compat;
mod config;
mod dns;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod elf;
mod gateway;
mod glob;
mod host;
mod http;
mod image;
mod key;
mod module;
mod path;
mod policy;
mod preview;
mod tty;
mod wire;

/// A boundary under attack.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name on the command line.
    pub name: &'static str,
    /// Feeds one input.
    pub run: fn(&[u8]),
}

/// Every target.
pub const ALL: &[Target] = &[
    Target {
        name: "abi",
        run: abi::run,
    },
    Target {
        name: "address",
        run: address::run,
    },
    Target {
        name: "agent",
        run: agent::run,
    },
    Target {
        name: "compat",
        run: compat::run,
    },
    Target {
        name: "config",
        run: config::run,
    },
    Target {
        name: "dns",
        run: dns::run,
    },
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    Target {
        name: "elf",
        run: elf::run,
    },
    Target {
        name: "frames",
        run: gateway::frames,
    },
    Target {
        name: "glob",
        run: glob::run,
    },
    Target {
        name: "head",
        run: gateway::head,
    },
    Target {
        name: "host",
        run: host::run,
    },
    Target {
        name: "http",
        run: http::run,
    },
    Target {
        name: "image",
        run: image::run,
    },
    Target {
        name: "key",
        run: key::run,
    },
    Target {
        name: "module",
        run: module::run,
    },
    Target {
        name: "path",
        run: path::run,
    },
    Target {
        name: "policy",
        run: policy::run,
    },
    Target {
        name: "preview",
        run: preview::run,
    },
    Target {
        name: "tty",
        run: tty::run,
    },
    Target {
        name: "wire",
        run: wire::run,
    },
];
