//! The certificate authority of one VM.
//!
//! Its certificate stands in the trust store of that VM and nowhere else, and is constrained to the hosts that secrets name:
//! whatever it signed for another name would be worth nothing. The keys never leave this process. Certificates of hosts are made
//! when first needed and kept, a bounded number of them; all have one key.

use super::host::HostPattern;
use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

/// Hosts whose certificates are kept. Exact names need one each; a wildcard's hosts come and go.
const KEPT: usize = 64;

/// Signs for the hosts of one VM's secrets.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
    leaf_key: KeyPair,
    kept: Mutex<VecDeque<Kept>>,
}

struct Kept {
    host: String,
    protocol: Option<&'static [u8]>,
    config: Arc<ServerConfig>,
}

impl Authority {
    /// An authority for these hosts.
    pub(super) fn new<'a>(hosts: impl Iterator<Item = &'a HostPattern>) -> Result<Self, String> {
        let failed = |error: rcgen::Error| format!("cannot make a certificate authority: {error}");
        let key = KeyPair::generate().map_err(failed)?;
        let leaf_key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "agentOS secrets of this VM");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.name_constraints = Some(constraints(hosts));
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(Self {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
            leaf_key,
            kept: Mutex::default(),
        })
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// How to be `host` towards a guest that will speak `protocol`.
    pub(crate) fn server(&self, host: &str, protocol: Option<&'static [u8]>) -> Result<Arc<ServerConfig>, String> {
        let mut kept = self.kept.lock();
        let found = kept.iter().find(|kept| kept.host == host && kept.protocol == protocol);
        if let Some(found) = found {
            return Ok(found.config.clone());
        }
        let config = Arc::new(self.make(host, protocol)?);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(Kept {
            host: host.to_owned(),
            protocol,
            config: config.clone(),
        });
        Ok(config)
    }

    fn make(&self, host: &str, protocol: Option<&'static [u8]>) -> Result<ServerConfig, String> {
        let mut params = CertificateParams::new([host.to_owned()]).map_err(|error| error.to_string())?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "agentOS");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params
            .signed_by(&self.leaf_key, &self.issuer)
            .map_err(|error| error.to_string())?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(crate::roots::provider())
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![leaf.der().clone(), self.der.clone()], key)
            })
            .map_err(|error| error.to_string())?;
        config.alpn_protocols = protocol.map(<[u8]>::to_vec).into_iter().collect();
        // Every connection proves itself anew; nothing of one is kept for another.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

/// Only the listed names, and no address at all.
fn constraints<'a>(hosts: impl Iterator<Item = &'a HostPattern>) -> NameConstraints {
    let mut names: Vec<String> = Vec::new();
    let mut below: Vec<String> = Vec::new();
    for host in hosts {
        let subtree = host.subtree();
        // A constraint on a name covers what is below it, too, where it is not taken out again.
        if host.is_exact() {
            below.push(format!(".{subtree}"));
        }
        if !names.contains(&subtree) {
            names.push(subtree);
        }
    }
    below.sort_unstable();
    below.dedup();
    let wanted = |excluded: &String| names.iter().any(|name| overlaps(name, excluded));
    let excluded = below.iter().filter(|excluded| !wanted(excluded)).cloned();
    let addresses = [IpAddr::from([0_u8; 4]), IpAddr::from([0_u8; 16])];
    let addresses = addresses.map(|any| GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(any, 0)));
    NameConstraints {
        excluded_subtrees: excluded.map(GeneralSubtree::DnsName).chain(addresses).collect(),
        permitted_subtrees: names.into_iter().map(GeneralSubtree::DnsName).collect(),
    }
}

/// Whether a permitted subtree lies within or above an excluded one (`.domain`), other than as the domain itself.
fn overlaps(permitted: &str, excluded: &str) -> bool {
    permitted.ends_with(excluded) || permitted.starts_with('.') && excluded.ends_with(permitted)
}
