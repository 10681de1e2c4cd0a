//! Software that a running VM is given.
//!
//! The layers of a root cannot change while programs are in it, so software that comes later is mounted, read-only, below
//! `/opt/agentos/software`, and linked to from the places where it would be ([`links`]). Programs that run already see it at
//! once: a name that a shell looks up in its `PATH` is there.
//!
//! ```text
//!   /opt/agentos/software/cowsay          the package, as it is in the store
//!   /opt/agentos/software/.runtime/3f..   what its programs run with
//!   /usr/local/bin/cowsay                 -> /opt/agentos/software/cowsay/usr/local/bin/cowsay
//!   /usr/local/lib                        -> /opt/agentos/software/cowsay/usr/local/lib, until somebody else has something there
//! ```
//!
//! Invariants:
//!
//! * Software is in the VM whole or not at all: what was mounted and linked is taken back when something fails.
//! * What the VM has stays as it is. A place that is taken is left, and told of.

mod links;

use crate::error::{Error, Result};
use crate::packages::declared;
use crate::vm::{AgentOs, Vm};
use agentos_image::Image;
use agentos_kernel::events::{AuditKind, Text};
use agentos_kernel::limits::Limits;
use agentos_kernel::vfs::MountOptions;
use agentos_kernel::{Errno, LimitExceeded};
use agentos_session::AgentSpec;
use agentos_software::store::Package;
use links::Farm;
use parking_lot::Mutex;

/// Where software is mounted that a running VM was given.
pub(crate) const HOME: &str = "/opt/agentos/software";

/// What [`AgentOs::add_software`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddedSoftware {
    /// Its commands, sorted.
    pub commands: Vec<String>,
    /// The agent in it, if there is one: `vm.session(id)` runs it.
    pub agent: Option<String>,
    /// Paths that something else of the VM has, and keeps: the software is not to be found there.
    pub kept: Vec<String>,
}

/// What was added to a VM so far.
#[derive(Debug, Default)]
pub(crate) struct Added {
    state: Mutex<State>,
    /// One package at a time.
    turn: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    packages: Vec<Package>,
    agents: Vec<AgentSpec>,
    env: Vec<(String, String)>,
}

impl Added {
    /// What was added, in order.
    pub(crate) fn packages(&self) -> Vec<Package> {
        self.state.lock().packages.clone()
    }

    /// The agents that came with it.
    pub(crate) fn agents(&self) -> Vec<AgentSpec> {
        self.state.lock().agents.clone()
    }

    /// Variables that it wants processes to have.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.state.lock().env.clone()
    }

    fn note(&self, package: &Package) {
        let mut state = self.state.lock();
        state.agents.extend(package.agent().map(declared));
        let env = package.env().iter();
        state.env.extend(env.map(|(name, value)| (name.clone(), value.clone())));
        state.packages.push(package.clone());
    }
}

/// Refuses more packages than a VM may have.
pub(crate) fn check(packages: usize, limits: &Limits) -> Result<()> {
    let (observed, capacity) = (packages as u64, limits.software_max_packages);
    match observed <= capacity {
        true => Ok(()),
        false => Err(Error::Limit(LimitExceeded::new(
            "limits.software.maxPackages",
            "packages",
            observed,
            capacity,
            "addSoftware",
            Errno::ENOSPC,
        ))),
    }
}

impl AgentOs {
    /// Gives the VM software of a [`Store`](crate::store::Store) while it runs: a mount. Its commands are found by the programs
    /// that run already, sessions know the agent in it, and processes that begin from now on have its variables. Nothing of it
    /// is under the policy, as little as what the VM was created with; what its programs do is.
    ///
    /// It is in `/opt/agentos/software`, with links to it where it would be if the VM had been created with it; where something
    /// else is, that stays ([`AddedSoftware::kept`]).
    ///
    /// # Errors
    /// [`Error::SoftwareExists`] if the VM has it, [`Error::Limit`] beyond `limits.software.maxPackages`, `EROFS` where the
    /// root cannot be changed, and those of the store.
    pub async fn add_software(&self, package: Package) -> Result<AddedSoftware> {
        self.vm.alive()?;
        let added = self.vm.noted(self.vm.add(&package))?;
        if let (Some(sessions), Some(agent)) = (self.vm.sessions.get(), package.agent()) {
            sessions.add_agent(declared(agent));
        }
        Ok(added)
    }
}

impl Vm {
    fn add(&self, package: &Package) -> Result<AddedSoftware> {
        let _turn = self.added.turn.lock();
        self.check_added(package)?;
        let mut farm = Farm::new(self);
        let linked = self.bring(package, &mut farm);
        if let Err(error) = linked {
            farm.take_back();
            return Err(error);
        }
        let kept = farm.finish();
        if package.is_native() && self.options.linux_programs.is_none() {
            self.linux.open();
        }
        self.added.note(package);
        Ok(AddedSoftware {
            commands: package.commands().to_vec(),
            agent: package.agent().map(|agent| agent.id.clone()),
            kept,
        })
    }

    fn check_added(&self, package: &Package) -> Result<()> {
        if package.is_bundled() {
            return match self.options.software.is_empty() {
                false => Err(exists(package.name(), "the bundled commands")),
                true => Err(Error::InvalidOption {
                    option: "software",
                    reason: "the bundled commands are given when a VM is created".to_owned(),
                }),
            };
        }
        let mut known = self.options.packages.clone();
        known.extend(self.added.packages());
        if let Some(known) = known.iter().find(|known| known.name() == package.name()) {
            return Err(exists(package.name(), known.spec()));
        }
        check(known.len() + 1, &self.options.limits)
    }

    /// Mounts a package and what it runs with, and links to them.
    fn bring(&self, package: &Package, farm: &mut Farm<'_>) -> Result<()> {
        for (image, place) in places(package)? {
            if self.is_mounted(&place) {
                continue;
            }
            self.mount_software(&image, &place)?;
            farm.mounted(&place);
            farm.link(&image, &place)?;
        }
        Ok(())
    }

    /// Mounts again what a VM was given whose files these are.
    pub(crate) fn mount_added(&self, packages: &[Package]) -> Result<()> {
        for package in packages {
            for (image, place) in places(package)? {
                if !self.is_mounted(&place) {
                    self.mount_software(&image, &place)?;
                }
            }
            if package.is_native() && self.options.linux_programs.is_none() {
                self.linux.open();
            }
            self.added.note(package);
        }
        Ok(())
    }

    fn mount_software(&self, image: &Image, place: &str) -> Result<()> {
        let failed = Error::file("addSoftware", place);
        self.create_mount_point(place).map_err(&failed)?;
        let options = MountOptions {
            read_only: true,
            source: "software".to_owned(),
            ..MountOptions::default()
        };
        let filesystem = image.filesystem();
        let backend = filesystem.kind();
        let mounted = self.kernel.vfs().mount(place.as_bytes(), filesystem, options);
        mounted.map_err(failed)?;
        self.kernel.audit().record(AuditKind::Mounted {
            path: Text::from(place),
            backend: Text::from(backend),
            read_only: true,
        });
        Ok(())
    }

    fn is_mounted(&self, place: &str) -> bool {
        let mounts = self.kernel.vfs().mounts();
        mounts.iter().any(|mount| mount.path == place.as_bytes())
    }
}

/// The trees of a package and where each is mounted, the package itself first.
fn places(package: &Package) -> Result<Vec<(Image, String)>> {
    let failed = agentos_software::Error::from;
    let mut places = vec![(package.image().map_err(failed)?, place(package.name()))];
    let runtimes = package.runtimes().map_err(failed)?;
    for (image, layer) in runtimes.into_iter().zip(package.runtime_layers()) {
        let short: String = layer.chars().take(16).collect();
        places.push((image, format!("{HOME}/.runtime/{short}")));
    }
    Ok(places)
}

/// Where a package is mounted: below its name, in which a directory per scope is left, and no part leads elsewhere.
fn place(name: &str) -> String {
    let parts = name.split('/').filter(|part| !part.is_empty());
    let part = |part: &str| match part.starts_with('.') {
        true => format!("/_{part}"),
        false => format!("/{part}"),
    };
    parts.map(part).fold(HOME.to_owned(), |place, part| place + &part)
}

fn exists(name: &str, spec: &str) -> Error {
    Error::SoftwareExists {
        name: name.to_owned(),
        spec: spec.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_elsewhere() {
        assert_eq!(place("cowsay"), format!("{HOME}/cowsay"));
        assert_eq!(place("@scope/tool"), format!("{HOME}/@scope/tool"));
        assert_eq!(place(".."), format!("{HOME}/_.."));
        assert_eq!(place("a//../.runtime"), format!("{HOME}/a/_../_.runtime"));
    }
}
