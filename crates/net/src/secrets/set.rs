//! The secrets of one VM.

use super::authority::Authority;
use super::config::{self, InvalidSecret, Secret};
use super::encoding;
use super::host::HostPattern;
use super::placeholder::Placeholder;
use super::scrub::Patterns;
use super::value::SecretValue;
use agentos_kernel::clock::Entropy;
use core::fmt;
use http::header::HeaderName;

/// One secret, ready for use.
pub(crate) struct Entry {
    name: String,
    pub(super) placeholder: Placeholder,
    pub(super) value: SecretValue,
    pub(super) hosts: Vec<HostPattern>,
    header: Option<HeaderName>,
    patterns: Patterns,
}

impl Entry {
    /// Whether a request header of this name may carry the value.
    pub(super) fn may_be_in(&self, header: &HeaderName) -> bool {
        self.header.as_ref().is_none_or(|own| own == header)
    }

    fn is_for(&self, host: &str, port: u16) -> bool {
        self.hosts.iter().any(|pattern| pattern.matches(host, port))
    }
}

/// The secrets of one VM and of its forks, with their placeholders and the certificate authority that lets the VM's programs
/// speak TLS with the listed hosts.
pub struct SecretSet {
    entries: Vec<Entry>,
    authority: Authority,
}

impl SecretSet {
    /// Checks the secrets and gives each a placeholder. At least one is needed.
    ///
    /// # Errors
    /// The first thing that is wrong, with its path.
    pub fn new(secrets: Vec<Secret>, entropy: &dyn Entropy) -> Result<Self, InvalidSecret> {
        let entries: Vec<Entry> = config::check(secrets)?
            .into_iter()
            .map(|checked| Entry {
                placeholder: Placeholder::random(entropy),
                patterns: Patterns::new(encoding::forms(checked.value.expose())),
                name: checked.name,
                value: checked.value,
                hosts: checked.hosts,
                header: checked.header,
            })
            .collect();
        let authority =
            Authority::new(entries.iter().flat_map(|entry| &entry.hosts)).map_err(|reason| InvalidSecret {
                path: "secrets".to_owned(),
                reason,
            })?;
        Ok(Self { entries, authority })
    }

    /// The environment of the guest: names and placeholders.
    pub fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.placeholder.as_str()))
    }

    /// The certificate, as PEM, that the VM must trust. It is good for the listed hosts only.
    pub fn certificate(&self) -> &str {
        self.authority.pem()
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Whether a secret is for this host at this port.
    pub(crate) fn lists(&self, host: &str, port: u16) -> bool {
        self.entries.iter().any(|entry| entry.is_for(host, port))
    }

    /// The secrets for this host and port.
    pub(crate) fn for_host(&self, host: &str, port: u16) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| entry.is_for(host, port)).collect()
    }

    /// What must not come back from any host.
    pub(crate) fn all_patterns(&self) -> Patterns {
        Patterns::all(self.entries.iter().map(|entry| &entry.patterns))
    }
}

impl fmt::Debug for SecretSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.entries.iter().map(|entry| (&entry.name, &entry.hosts));
        f.debug_map().entries(shown).finish()
    }
}
