//! TLS for a server's connections.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// A certificate and its key, ready for connections.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

/// A certificate or a key that cannot be used.
///
/// # What to do
/// Both are PEM: the certificate first and then those that vouch for it, and one private key, the certificate's own.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct TlsError {
    what: &'static str,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Tls {
    /// Reads the text of two PEM files.
    ///
    /// # Errors
    /// [`TlsError`] when there is no certificate or no key in them, or when they do not belong together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let fail = |what| {
            move |source: Box<dyn std::error::Error + Send + Sync>| TlsError { what, source: Some(source) }
        };
        let chain = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| fail("the certificate cannot be read as PEM")(source.into()))?;
        if chain.is_empty() {
            return Err(TlsError { what: "there is no certificate in the file", source: None });
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|source| fail("the private key cannot be read as PEM")(source.into()))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|source| fail("TLS cannot be set up")(source.into()))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|source| fail("certificate and private key do not go together")(source.into()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.0.clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(…)")
    }
}
