//! The web's root certificates, as programs in a VM expect them in `/etc/ssl/certs/ca-certificates.crt`.
//!
//! They are Mozilla's, compiled in; the host's own trust store plays no part. The text is made once per process and shared,
//! read-only, by every VM: a VM that changes the file gets pages of its own, like with any other file of the image.

use agentos_kernel::vfs::Blob;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::{Arc, OnceLock};

/// Where the certificates are in a VM.
pub const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Characters in a line of a certificate's text (RFC 7468).
const LINE: usize = 64;

/// All root certificates as PEM.
pub fn bundle() -> Arc<Blob> {
    static BUNDLE: OnceLock<Arc<Blob>> = OnceLock::new();
    let make = || {
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
        let mut text = String::with_capacity(roots.iter().map(|root| root.len() * 3 / 2 + 64).sum());
        for root in roots {
            pem(root, &mut text);
        }
        text.shrink_to_fit();
        Blob::new(text)
    };
    BUNDLE.get_or_init(make).clone()
}

fn pem(der: &[u8], text: &mut String) {
    text.push_str("-----BEGIN CERTIFICATE-----\n");
    // 48 bytes are a line of 64 characters.
    for line in der.chunks(LINE / 4 * 3) {
        STANDARD.encode_string(line, text);
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_root_is_there_and_reads_back() {
        let bundle = bundle();
        let text = str::from_utf8(bundle.bytes()).unwrap();
        let mut found = Vec::new();
        for block in text.split_inclusive("-----END CERTIFICATE-----\n") {
            let body = block.strip_prefix("-----BEGIN CERTIFICATE-----\n").unwrap();
            let body = body.strip_suffix("-----END CERTIFICATE-----\n").unwrap();
            assert!(body.lines().all(|line| line.len() <= LINE));
            found.push(STANDARD.decode(body.replace('\n', "")).unwrap());
        }
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
        assert!(found.len() > 100 && found.len() == roots.len(), "{}", found.len());
        assert!(
            found
                .iter()
                .zip(roots)
                .all(|(found, root)| found.as_slice() == root.as_ref())
        );
    }

    #[test]
    fn it_is_made_once() {
        assert_eq!(bundle().id(), bundle().id());
    }
}
