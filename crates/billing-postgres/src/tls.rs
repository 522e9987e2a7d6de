//! TLS on the way to the database: the certificate must be one that is trusted, and of the host that was asked for.

use std::sync::Arc;

use billing_ledger::{Error, ErrorKind};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::target::Target;

/// The connector for a target. It trusts the certificates that the URL names or, without any, what the system trusts.
pub(crate) fn connector(target: &Target) -> Result<MakeRustlsConnect, Error> {
    let setup = |cause: rustls::Error| cannot("TLS cannot be set up").caused_by(cause);
    let provider =
        CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(setup)?;
    let builder = match target.root_certificates() {
        // Without TLS there is nothing to load: that costs time, and fails on a machine that has none.
        _ if !target.has_tls() => builder.with_root_certificates(RootCertStore::empty()),
        Some(path) => {
            let shown = path.display();
            let unreadable =
                |cause| cannot(format!("cannot read the certificates in `{shown}`")).caused_by(cause);
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
                roots.add(certificate.map_err(unreadable)?).map_err(setup)?;
            }
            if roots.is_empty() {
                return Err(cannot(format!("there is no certificate in `{shown}`")));
            }
            builder.with_root_certificates(roots)
        }
        None => {
            let verifier = Verifier::new(provider).map_err(setup)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    Ok(MakeRustlsConnect::new(builder.with_no_client_auth()))
}

fn cannot(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::CannotOpen, message)
}
