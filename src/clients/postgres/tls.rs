//! TLS towards the databases: encrypted, and the server's name verified against its certificate.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::clients::{Trouble, TroubleKind};

/// A configuration that trusts the authorities of a PEM file, or those of this machine.
pub fn config(ca_file: Option<&str>) -> Result<ClientConfig, Trouble> {
    let unusable = |error: rustls::Error| Trouble::new("TLS", TroubleKind::Malformed, error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    match ca_file {
        Some(path) => Ok(builder.with_root_certificates(authorities(path)?).with_no_client_auth()),
        None => Ok(builder.with_platform_verifier().map_err(unusable)?.with_no_client_auth()),
    }
}

fn authorities(path: &str) -> Result<RootCertStore, Trouble> {
    let unreadable = |error: &dyn std::fmt::Display| {
        let message = format!("the authorities in {path} cannot be read: {error}");
        Trouble::new("TLS", TroubleKind::NotFound, message)
    };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(|error| unreadable(&error))?;
    let mut store = RootCertStore::empty();
    // A bundle may hold one authority of a kind that is not supported; the others still count.
    let (usable, _) = store.add_parsable_certificates(certificates);
    if usable == 0 {
        return Err(unreadable(&"no authority in it can be used"));
    }
    Ok(store)
}
