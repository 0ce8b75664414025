//! TLS towards the databases: encrypted, and the server's name verified against its certificate.

use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::clients::{Trouble, TroubleKind};

/// The authorities of Amazon RDS and RDS Proxy, of all regions. No operating system knows them.
const RDS_AUTHORITIES: &[u8] = include_bytes!("../../../assets/rds-authorities.pem");

/// A configuration that trusts the authorities of a PEM file, or else those of Amazon RDS and nobody else.
pub fn config(ca_file: Option<&str>) -> Result<ClientConfig, Trouble> {
    let unusable = |error: rustls::Error| Trouble::new("TLS", TroubleKind::Malformed, error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let authorities = match ca_file {
        Some(path) => authorities(path, &std::fs::read(path).map_err(|error| unreadable(path, &error))?),
        None => shipped(),
    };
    Ok(builder.with_root_certificates(authorities?).with_no_client_auth())
}

/// Those of Amazon RDS, read once for all databases: there are some hundred of them.
fn shipped() -> Result<Arc<RootCertStore>, Trouble> {
    static SHIPPED: OnceLock<Result<Arc<RootCertStore>, Trouble>> = OnceLock::new();
    SHIPPED.get_or_init(|| authorities("the cockpit's own bundle", RDS_AUTHORITIES)).clone()
}

fn unreadable(path: &str, error: &dyn std::fmt::Display) -> Trouble {
    Trouble::new("TLS", TroubleKind::NotFound, format!("the authorities in {path} cannot be read: {error}"))
}

fn authorities(path: &str, pem: &[u8]) -> Result<Arc<RootCertStore>, Trouble> {
    let unreadable = |error: &dyn std::fmt::Display| unreadable(path, error);
    let certificates = CertificateDer::pem_slice_iter(pem);
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(|error| unreadable(&error))?;
    let mut store = RootCertStore::empty();
    // A bundle may hold one authority of a kind that is not supported; the others still count.
    let (usable, _) = store.add_parsable_certificates(certificates);
    if usable == 0 {
        return Err(unreadable(&"no authority in it can be used"));
    }
    Ok(Arc::new(store))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_authority_that_is_shipped_can_be_used() {
        let declared =
            RDS_AUTHORITIES.split(|byte| *byte == b'\n').filter(|line| *line == b"-----BEGIN CERTIFICATE-----");
        let store = authorities("the bundle", RDS_AUTHORITIES).unwrap();
        assert_eq!(store.len(), declared.count());
        let named = |words: &str| {
            let words = words.as_bytes();
            store.roots.iter().any(|root| root.subject.windows(words.len()).any(|part| part == words))
        };
        for region in ["us-east-1", "us-west-2", "eu-central-1", "ap-southeast-2"] {
            for key in ["RSA2048", "RSA4096", "ECC384"] {
                assert!(named(&format!("Amazon RDS {region} Root CA {key} G1")), "{region} {key}");
            }
        }
    }
}
