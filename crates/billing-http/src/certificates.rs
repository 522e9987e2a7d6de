//! Whom to trust in the place of the system's authorities.

use std::fmt;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::{Error, ErrorKind};

/// Certificates that a service's own has to come from: those of authorities, or the service's itself.
///
/// ```
/// use billing_http::Certificates;
/// assert!(Certificates::from_pem(b"no certificate").is_err());
/// ```
#[derive(Clone)]
pub struct Certificates(RootCertStore);

impl Certificates {
    /// The certificates in a PEM file; what else stands in it is passed over.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] when there is none in it, or one that cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        let wrong = |message: &str| Error::of(ErrorKind::Setup).with_message(message);
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let found = found.map_err(|cause| wrong("the certificates cannot be read as PEM").because(cause))?;
        if found.is_empty() {
            return Err(wrong("there is no certificate in PEM form"));
        }
        let mut certificates = RootCertStore::empty();
        for der in found {
            let added = certificates.add(der);
            added.map_err(|cause| wrong("a certificate in it cannot be used").because(cause))?;
        }
        Ok(Self(certificates))
    }

    pub(crate) fn into_inner(self) -> RootCertStore {
        self.0
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({})", self.0.len())
    }
}
