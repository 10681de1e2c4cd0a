//! Software of a store in a VM: layers, variables, agents.

use crate::builder::Options;
use crate::error::{Error, Result};
use agentos_kernel::limits::Limits;
use agentos_session::AgentSpec;
use agentos_software::Package;
use agentos_software::store;
use std::collections::BTreeSet;

/// Refuses too many packages, and packages that exclude each other: files of two versions of one package would be mixed.
pub(crate) fn check(packages: &[store::Package], limits: &Limits) -> Result<()> {
    let of_store = packages.iter().filter(|package| !package.is_bundled());
    let names: BTreeSet<&str> = of_store.map(store::Package::name).collect();
    crate::added::check(names.len(), limits)?;
    for (at, package) in packages.iter().enumerate() {
        let before = packages.iter().take(at).find(|other| other.name() == package.name());
        if let Some(other) = before
            && other.layers() != package.layers()
        {
            let reason = format!(
                "{} and {} are versions of one package, of which a VM can have one",
                other.spec(),
                package.spec()
            );
            return Err(Error::InvalidOption {
                option: "software",
                reason,
            });
        }
    }
    Ok(())
}

/// Adds packages to the options of a VM, the first on top.
pub(crate) fn open(options: &mut Options, packages: &[store::Package]) -> Result<()> {
    check(packages, &options.limits)?;
    let failed = agentos_software::Error::from;
    let mut seen: Vec<&str> = Vec::new();
    for package in packages {
        if package.is_bundled() {
            if !options.software.contains(&Package::Common) {
                options.software.push(Package::Common);
            }
            continue;
        }
        if seen.contains(&package.name()) {
            continue;
        }
        seen.push(package.name());
        options.packages.push(package.clone());
        options.images.push(package.image().map_err(failed)?);
        options.native |= package.is_native();
        for runtime in package.runtimes().map_err(failed)? {
            if options.runtimes.iter().all(|known| known.layers() != runtime.layers()) {
                options.runtimes.push(runtime);
            }
        }
        let env = package.env().iter().map(|(name, value)| (name.clone(), value.clone()));
        options.package_env.extend(env);
        // Of two agents of one name the later counts: what the owner of the VM has declared.
        options.sessions.agents.splice(0..0, package.agent().map(declared));
    }
    Ok(())
}

/// The agent that a package brings.
pub(crate) fn declared(agent: &store::Agent) -> AgentSpec {
    let spec = AgentSpec::new(agent.id.clone(), agent.command.clone());
    let spec = spec.packages(agent.adapter.clone(), agent.package.clone());
    agent
        .env
        .iter()
        .fold(spec, |spec, (name, value)| spec.env(name.clone(), value.clone()))
}
