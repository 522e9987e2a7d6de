//! Certificates to trust instead of the system's authorities.

use std::fmt;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::{Error, ErrorKind};

/// Certificates to trust: those of authorities that sign services' certificates, or a service's own.
///
/// ```
/// use billing_http::Certificates;
/// assert!(Certificates::from_pem(b"no certificate").is_err());
/// ```
#[derive(Clone)]
pub struct Certificates(RootCertStore);

impl Certificates {
    /// The certificates in a PEM file. Anything else in the file is skipped.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] when the file has no certificate, or one that cannot be read.
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
