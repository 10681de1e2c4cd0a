//! What stands between a VM and the network: secrets, the egress hook, a proxy, and whom to trust.

use crate::error::{Error, Result};
use crate::host;
use agentos_kernel::limits::Limits;
use agentos_kernel::vfs::{Filesystem, MemoryFs};
use agentos_kernel::{Errno, Error as KernelError};
use agentos_net::hook::EgressHook;
use agentos_net::proxy::Proxy;
use agentos_net::roots::{self, CertificateDer};
use agentos_net::secrets::{Secret, SecretSet};
use agentos_net::{Interceptor, Outlet, OutletConfig};
use agentos_software::certs::CERTIFICATES;
use core::fmt;
use core::time::Duration;
use std::sync::Arc;

/// The options as they are collected.
#[derive(Clone, Default)]
pub(crate) struct OutletDraft {
    pub(crate) secrets: Vec<Secret>,
    pub(crate) hook: Option<Arc<dyn EgressHook>>,
    pub(crate) proxy: Option<String>,
    pub(crate) trust_roots: Vec<Vec<u8>>,
}

impl fmt::Debug for OutletDraft {
    /// A proxy's text may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet")
            .field("secrets", &self.secrets)
            .field("hook", &self.hook.is_some())
            .field("proxy", &self.proxy.is_some())
            .field("trust_roots", &self.trust_roots.len())
            .finish()
    }
}

/// Options that were checked. Snapshots and forks share them: their files may hold placeholders of the original.
#[derive(Default)]
pub(crate) struct OutletPlan {
    secrets: Option<Arc<SecretSet>>,
    hook: Option<Arc<dyn EgressHook>>,
    proxy: Option<Proxy>,
    trust_roots: Vec<CertificateDer<'static>>,
    /// What the VM trusts besides the web's certificate authorities, as PEM.
    pem: Vec<u8>,
}

impl fmt::Debug for OutletPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet")
            .field("secrets", &self.secrets)
            .field("hook", &self.hook.is_some())
            .field("proxy", &self.proxy)
            .field("trust_roots", &self.trust_roots.len())
            .finish()
    }
}

impl OutletPlan {
    /// Checks the options. `env` are the variables that the VM has already.
    pub(crate) fn new(draft: OutletDraft, env: &[(String, String)]) -> Result<Self> {
        let mut plan = Self {
            hook: draft.hook,
            ..Self::default()
        };
        if let Some(url) = &draft.proxy {
            let proxy = Proxy::parse(url);
            plan.proxy = Some(proxy.map_err(|error| Error::InvalidConfig(format!("network.proxy: {error}")))?);
        }
        for (index, pem) in draft.trust_roots.iter().enumerate() {
            let wrong = |reason| Error::InvalidConfig(format!("network.trustRoots[{index}]: {reason}"));
            plan.trust_roots.extend(roots::parse_certificates(pem).map_err(wrong)?);
            plan.pem.extend_from_slice(pem);
            plan.pem.push(b'\n');
        }
        for (index, secret) in draft.secrets.iter().enumerate() {
            if env.iter().any(|(name, _)| name == secret.name()) {
                let reason = format!("secrets[{index}].name: env has {:?}, too", secret.name());
                return Err(Error::InvalidConfig(reason));
            }
        }
        if !draft.secrets.is_empty() {
            let secrets = SecretSet::new(draft.secrets, &host::SystemEntropy);
            let secrets = secrets.map_err(|error| Error::InvalidConfig(error.to_string()))?;
            plan.pem.extend_from_slice(secrets.certificate().as_bytes());
            plan.secrets = Some(Arc::new(secrets));
        }
        Ok(plan)
    }

    /// Names and placeholders for the environment of every process.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        self.secrets.iter().flat_map(|secrets| secrets.environment())
    }

    /// Makes a new VM's files trust what its programs must trust.
    pub(crate) fn install(&self, root: &MemoryFs) -> Result<()> {
        if self.pem.is_empty() {
            return Ok(());
        }
        append(root, CERTIFICATES, &self.pem).map_err(Error::file("writeFile", CERTIFICATES))
    }

    /// The path in the VM, without its first slash, of what holds the trust of this VM only; empty if nothing does.
    pub(crate) fn own_file(&self) -> &'static str {
        match self.pem.is_empty() {
            true => "",
            false => CERTIFICATES.trim_start_matches('/'),
        }
    }

    /// What the guard of one VM is to put in the way of connections.
    pub(crate) fn interceptor(&self, limits: &Limits) -> Result<Option<Arc<dyn Interceptor>>> {
        let mut config = OutletConfig::default();
        config.secrets = self.secrets.clone();
        config.hook = self.hook.clone();
        config.proxy = self.proxy.clone();
        config.trust_roots = self.trust_roots.clone();
        config.limits.max_header_bytes = usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX);
        config.limits.max_buffered_bytes = usize::try_from(limits.tls_max_buffered_bytes).unwrap_or(usize::MAX);
        config.limits.handshake_timeout = Duration::from_millis(limits.tls_handshake_timeout_ms);
        let outlet = Outlet::new(config);
        let outlet = outlet.map_err(|reason| Error::InvalidConfig(format!("network.trustRoots: {reason}")))?;
        Ok(outlet.map(|outlet| outlet as Arc<dyn Interceptor>))
    }
}

fn append(fs: &MemoryFs, path: &str, data: &[u8]) -> Result<(), KernelError> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let mut at = fs.getattr(fs.root())?;
    for part in parts {
        at = fs.lookup(at.ino, part.as_bytes())?;
    }
    match fs.write(at.ino, at.size, data)? {
        written if written == data.len() => Ok(()),
        _ => Err(Errno::ENOSPC.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(draft: OutletDraft) -> String {
        let env = [("TAKEN".to_owned(), String::new())];
        OutletPlan::new(draft, &env).unwrap_err().to_string()
    }

    #[test]
    fn wrong_options_are_named_and_never_shown() {
        let secret = |name: &str| Secret::new(name, "hunter2-hunter2").hosts(["api.example.com"]);
        for (draft, said) in [
            (
                OutletDraft {
                    secrets: vec![secret("TAKEN")],
                    ..OutletDraft::default()
                },
                "secrets[0].name: env has \"TAKEN\", too",
            ),
            (
                OutletDraft {
                    secrets: vec![secret("A"), Secret::new("B", "hunter2-hunter2")],
                    ..OutletDraft::default()
                },
                "secrets[1].hosts: must name at least one host",
            ),
            (
                OutletDraft {
                    proxy: Some("http://me:hunter2@".to_owned()),
                    ..OutletDraft::default()
                },
                "network.proxy: has no valid host",
            ),
            (
                OutletDraft {
                    trust_roots: vec![b"hunter2".to_vec()],
                    ..OutletDraft::default()
                },
                "network.trustRoots[0]: holds no certificate",
            ),
        ] {
            assert!(!format!("{draft:?}").contains("hunter2"), "{draft:?}");
            let error = refused(draft);
            assert!(error.contains(said) && !error.contains("hunter2"), "{error}");
        }
    }
}
