//! Certificates for tests: an authority, and what it signs.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::place::Place;

/// An authority that vouches for services, its certificate in a file.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// The path of its certificate.
    pub(crate) certificate: String,
    place: Place,
}

/// A certificate and its key, in files.
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Signed {
    /// The flags of `billing serve` that show it.
    pub(crate) fn flags(&self) -> [&str; 4] {
        ["--tls-cert", &self.certificate, "--tls-key", &self.key]
    }
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("an authority")
    }

    /// An authority with this name. Another one may have the same name.
    pub(crate) fn named(name: &str) -> Self {
        let (place, key) = (Place::new(), KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = place.write("authority.pem", params.self_signed(&key).unwrap().pem());
        Self { issuer: Issuer::new(params, key), certificate, place }
    }

    /// A certificate for a host.
    pub(crate) fn sign(&self, host: &str) -> Signed {
        self.sign_for(host, |_| ())
    }

    /// A certificate for a host whose time was over long ago.
    pub(crate) fn sign_expired(&self, host: &str) -> Signed {
        self.sign_for(host, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 2, 3);
        })
    }

    /// A certificate for a host that is not to be used for a long time.
    pub(crate) fn sign_for_later(&self, host: &str) -> Signed {
        self.sign_for(host, |params| params.not_before = date_time_ymd(2200, 1, 1))
    }

    fn sign_for(&self, host: &str, change: impl FnOnce(&mut CertificateParams)) -> Signed {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.not_after = date_time_ymd(2300, 1, 1);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let count = self.place.names().len();
        Signed {
            certificate: self.place.write(&format!("{count}.pem"), signed.pem()),
            key: self.place.write(&format!("{count}-key.pem"), key.serialize_pem()),
        }
    }
}

/// A certificate for a host as `openssl req -x509` makes it unless told otherwise: its own authority.
pub(crate) fn own_authority(place: &Place, host: &str) -> Signed {
    let mut params = CertificateParams::new([host.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    Signed {
        certificate: place.write("own.pem", params.self_signed(&key).unwrap().pem()),
        key: place.write("own-key.pem", key.serialize_pem()),
    }
}
