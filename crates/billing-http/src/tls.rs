//! TLS as a client speaks it: whom it trusts, and which cryptography it does that with.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::Verifier;

use crate::base_url::BaseUrl;
use crate::certificates::Certificates;
use crate::error::{Error, ErrorKind};

/// What is spoken above TLS; this client has no HTTP/2.
const HTTP_1_1: &[u8] = b"http/1.1";

/// The configuration of TLS for a service, which trusts the certificates or, without any, what the system trusts.
///
/// The cryptography is the process's, when it has chosen one, and ring's otherwise. To choose for the process is the program's
/// business, so ring is not installed for it.
pub(crate) fn tls_config(base: &BaseUrl, certificates: Option<Certificates>) -> Result<ClientConfig, Error> {
    let setup = |cause: rustls::Error| Error::of(ErrorKind::Setup).because(cause);
    let provider = match CryptoProvider::get_default() {
        Some(chosen) if base.is_https() => Arc::clone(chosen),
        // Without TLS nothing is asked of the process's provider, which may have nothing that is needed for it.
        _ => Arc::new(ring::default_provider()),
    };
    let builder: ConfigBuilder<ClientConfig, WantsVerifier> =
        ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(setup)?;
    let builder = match certificates {
        // No TLS, so no certificates to load: that costs time, and fails on a machine that has none.
        _ if !base.is_https() => builder.with_root_certificates(RootCertStore::empty()),
        Some(certificates) => builder.with_root_certificates(certificates.into_inner()),
        None => {
            let verifier = Verifier::new(provider).map_err(setup)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(config)
}
